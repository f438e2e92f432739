// SPDX-License-Identifier: MIT
#pragma once

namespace photovec::decode {

// What a decoder process tells the server by its exit code. A signal says the rest.
inline constexpr int kExitNoMemory = 81;    ///< an allocation failed
inline constexpr int kExitViolation = 82;   ///< a forbidden system call, in the mode that names it
inline constexpr int kExitProtocol = 83;    ///< the server said something impossible
inline constexpr int kExitNotStarted = 84;  ///< the process could not be set up

}  // namespace photovec::decode
