// SPDX-License-Identifier: MIT
#pragma once

#include "experiment/analyse/statistics.h"
#include "experiment/run_data.h"

namespace photovec::experiment {

/// How many streams ran batches in any run of the variant; 0: its server tells no streams.
int CountStreams(const Variant& variant);

/// Adds, for each second of the run's measured time, the share of it that a stream had a batch in flight,
/// mean over the streams. The log holds only requests that began within the measured time, so the first
/// moments, in which older requests still had batches, are left out: as many as 99% of the requests take in
/// total, half the run at most.
/// \param seconds in how many groups the time is cut; the first is
/// `first_group`.
void AddStreamTime(const Run& run, int streams, size_t seconds, size_t first_group, Figures& out);

/// The share of time that streams (decode workers) had work, mean over all of them and over whole runs; 0
/// when the server's log does not tell.
double StreamsBusy(const Variant& variant);
double DecodersBusy(const Variant& variant);

}  // namespace photovec::experiment
