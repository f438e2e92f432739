// SPDX-License-Identifier: MIT
#include "experiment/load/load_generator.h"

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/address_v4.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <exception>
#include <string>
#include <thread>

#include "base/thread_pool.h"
#include "experiment/load/load_run.h"
#include "experiment/load/load_schedule.h"

namespace photovec::experiment {
namespace {

Status CheckServer(uint16_t port) {
  boost::asio::io_context context;
  boost::asio::ip::tcp::socket socket(context);
  boost::system::error_code error;
  socket.connect({boost::asio::ip::address_v4::loopback(), port}, error);
  if (!error) return Status::Ok();
  return {Code::kUnavailable, "no server answers on 127.0.0.1:" + std::to_string(port) + ": " +
                                  error.message() + "; start it first, or check the port"};
}

}  // namespace

Result<LoadResult> RunLoad(const LoadOptions& options, const std::atomic<bool>& stop) {
  RETURN_IF_ERROR(CheckLoadOptions(options));
  RETURN_IF_ERROR(CheckServer(options.port));
  Result<LoadResult> result = Status(Code::kInternal, "the load did not run");
  std::thread thread([&] {
    SetThreadName("load");
    try {
      LoadRun run(options, stop);
      result = run.Go();
    } catch (const std::exception& error) {
      result = Status(Code::kInternal, std::string("the load generator failed: ") + error.what());
    }
  });
  thread.join();
  return result;
}

}  // namespace photovec::experiment
