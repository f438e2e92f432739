// SPDX-License-Identifier: MIT
// A library that a plug-in needs and the dynamic loader does not find.
extern "C" int photovec_cublas_nowhere() { return 0; }
