// SPDX-License-Identifier: MIT
#pragma once

#include <cstdio>
#include <cstdlib>

namespace photovec::test {

/// Ends the test binary when an encoder of test images fails.
void Require(bool fine, const char* what);

}  // namespace photovec::test
