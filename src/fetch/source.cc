// SPDX-License-Identifier: MIT
#include "fetch/source.h"

#include <string>

namespace photovec::fetch {

Refusal RefusalByStatus(const Reply& reply, std::string_view who) {
  const long status = reply.status();
  Refusal refusal;
  const Code code = status == 404 || status == 410 ? Code::kNotFound : Code::kSourceFailed;
  refusal.status = Status(code, std::string(who) + " answered " + std::to_string(status));
  refusal.retry = status == 408 || status == 429 || status == 500 || (status >= 502 && status <= 504);
  return refusal;
}

}  // namespace photovec::fetch
