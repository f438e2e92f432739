// SPDX-License-Identifier: MIT
#pragma once

namespace photovec::decode {

/// Gives the kernel back what a worker that waits does not need: free heap, and the pages of program code and
/// constants that decoding has touched (libheif's codecs alone have 3 MB of them). The latter stay in the
/// page cache, from where the next image maps them again without a system call.
void GiveIdleMemoryBack();

}  // namespace photovec::decode
