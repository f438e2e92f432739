// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <string_view>

namespace photovec::net {

/// Who counts as one client when only addresses are known: an IPv4 address, or an IPv6 network of 64 bits,
/// since every client has one of those at least and may take any address in it. What is no IPv6 address comes
/// back as it is. Any thread.
std::string AddressGroup(std::string_view address);

}  // namespace photovec::net
