// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <list>
#include <memory>
#include <mutex>
#include <random>
#include <span>
#include <string>
#include <string_view>
#include <thread>
#include <unordered_map>
#include <utility>
#include <vector>

#include "fetch/http/curl_loop.h"
#include "fetch/http/downloader.h"
#include "fetch/http/flight.h"

namespace photovec::fetch {

/// Tells a waiter the result; an error with the reference.
void Answer(const Waiter& waiter, Result<Bytes> result);

/// How Engine does it; a header of engine*.cc alone. Its thread moves flights on: the way in and the start of
/// an attempt are in engine.cc, what becomes of it in engine_outcomes.cc, what time brings in engine_tick.cc.
class EngineImpl final : public Engine {
 public:
  EngineImpl(const FetchOptions& options, UrlPolicy policy, FetchObserver* observer)
      : options_(options),
        policy_(std::move(policy)),
        observer_(observer),
        handles_(static_cast<size_t>(options.max_transfers)),
        context_{options_, policy_, handles_},
        random_(std::random_device{}()) {}
  ~EngineImpl() override;

  Status Start();
  void AddSource(std::unique_ptr<Source> source) override {
    ports_.push_back(std::make_unique<Port>(*this, std::move(source)));
  }
  const UrlPolicy& policy() const override { return policy_; }
  Fetcher* Get(std::string_view name) override;

 private:
  /// CancelFlag cannot wake anybody, so the loop looks at it this often while there is something to cancel.
  static constexpr int kTickMs = 10;

  /// The way in for one source.
  class Port final : public Fetcher {
   public:
    Port(EngineImpl& engine, std::unique_ptr<Source> source) : engine_(engine), source_(std::move(source)) {}
    void Fetch(FetchRequest request, FetchCallback done) override;
    const Source& source() const { return *source_; }

   private:
    EngineImpl& engine_;
    const std::unique_ptr<Source> source_;
  };
  struct Arrival {
    const Source* source;
    std::unique_ptr<SourceObject> object;
    Waiter waiter;
  };
  struct Signed {
    uint64_t flight;
    SourceObject::Headers headers;
  };
  using FlightPtr = std::shared_ptr<Flight>;  // a callback may end a flight that the caller still looks at

  Status Enqueue(Arrival& arrival);
  void Run();
  bool TakeMail();
  void Board(Arrival arrival);
  void StartWaiting();
  void Sign(const FlightPtr& flight);
  void OnSigned(const FlightPtr& flight, SourceObject::Headers headers);
  bool Launch(Flight& flight, std::unique_ptr<Transfer>& place);
  void OnDone(CURL* easy, CURLcode code);
  void OnBody(const FlightPtr& flight, Transfer& transfer, bool hedge);
  void OnRefused(const FlightPtr& flight, Transfer& transfer, bool hedge);
  void OnFailed(const FlightPtr& flight, Transfer& transfer, bool hedge);
  Status CheckBody(Flight& flight, Transfer& transfer, std::span<const uint8_t> body);
  void TooLarge(const FlightPtr& flight, const Status& status, int64_t limit);
  void Retry(const FlightPtr& flight, Status why, Clock::duration least_pause, bool throttled);
  void Requeue(const FlightPtr& flight);
  void LeaveGroup(Flight& flight);
  void Land(std::unique_ptr<Transfer>& transfer);
  void Fail(const FlightPtr& flight, const Status& status);
  void Remove(Flight& flight);
  void Tick();
  void TickOne(const FlightPtr& flight, TimePoint now);
  static std::vector<std::pair<Waiter, Status>> TakeDeadWaiters(Flight& flight);
  void MaybeHedge(Flight& flight, TimePoint now);
  void ForgetGroups();
  void CancelAll();
  void Report(const Flight& flight, const Transfer& transfer, bool hedge, Code code) const;
  Group& GroupOf(const std::string& name);

  const FetchOptions options_;
  const UrlPolicy policy_;
  FetchObserver* const observer_;
  EasyPool handles_;
  const TransferContext context_;
  std::vector<std::unique_ptr<Port>> ports_;
  std::unique_ptr<CurlLoop> loop_;
  std::thread thread_;

  std::mutex mutex_;
  std::vector<Arrival> arrivals_;  // guarded by mutex_, as all to the empty line
  std::vector<Signed> signed_;
  size_t in_line_ = 0;  // arrivals and flights that were never started
  bool stopping_ = false;

  // Of the thread alone.
  std::minstd_rand random_;
  uint64_t last_id_ = 0;
  std::unordered_map<uint64_t, FlightPtr> flights_;
  std::unordered_map<std::string, Flight*> by_key_;
  std::list<FlightPtr> waiting_;
  std::unordered_map<std::string, std::unique_ptr<Group>> groups_;
  size_t active_ = 0;  // flights that hold a place in their group
  bool look_ = false;  // somebody came into line, or a place became free
  TimePoint next_tick_{};
};

}  // namespace photovec::fetch
