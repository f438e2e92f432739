// SPDX-License-Identifier: MIT
// Placeholder so that the target exists; removed with the first real source.
