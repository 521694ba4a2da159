#include "mk/cmd/main.h"

int main(int argc, char** argv) {
  return mk::cmd::main({argv, argv + argc});
}
