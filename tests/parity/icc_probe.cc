// SPDX-License-Identifier: MIT
// Writes a colour profile to stdout, for test_color.py: icc_probe srgb|p3|adobe|prophoto|table|grey|cmyk
#include <cstdio>

#include "testing/test_images_icc.h"

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  const photovec::test::Encoded icc = photovec::test::MakeIcc(photovec::test::IccKindOf(argv[1]));
  return std::fwrite(icc.data(), 1, icc.size(), stdout) == icc.size() ? 0 : 1;
}
