// SPDX-License-Identifier: MIT
#include "net/address_group.h"

#include <boost/asio/ip/address_v6.hpp>
#include <boost/system/error_code.hpp>

namespace photovec::net {

std::string AddressGroup(std::string_view address) {
  if (address.find(':') == std::string_view::npos) return std::string(address);
  boost::system::error_code error;
  const auto v6 = boost::asio::ip::make_address_v6(std::string(address), error);
  if (error || v6.is_v4_mapped()) return std::string(address);
  auto bytes = v6.to_bytes();
  for (size_t i = 8; i < bytes.size(); ++i) bytes[i] = 0;
  return boost::asio::ip::address_v6(bytes).to_string() + "/64";
}

}  // namespace photovec::net
