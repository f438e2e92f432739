// SPDX-License-Identifier: MIT
#include <cstdio>

int main() {
  std::puts("photovec " PHOTOVEC_VERSION);
  return 0;
}
