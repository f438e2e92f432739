// SPDX-License-Identifier: MIT
// What matters is the precompiled header of this target, which the unit tests reuse.
int main() {}
