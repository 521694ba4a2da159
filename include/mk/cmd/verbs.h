#pragma once

#include <string>
#include <vector>

namespace mk::cmd {

// The verbs of the command line: arguments behind the verb in, exit code out.
int server(std::vector<std::string> arguments);
int agent(std::vector<std::string> arguments);
int kubectl(std::vector<std::string> arguments);
int images(std::vector<std::string> arguments);
int token(std::vector<std::string> arguments);
int members(std::vector<std::string> arguments);
int cleanup(std::vector<std::string> arguments);
int version(std::vector<std::string> arguments);

}  // namespace mk::cmd
