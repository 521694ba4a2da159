#include "cli/command.h"
namespace mk::kubectl { const std::vector<Command>& all_commands() { static const std::vector<Command> c; return c; } }
