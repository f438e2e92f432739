// SPDX-License-Identifier: MIT
#pragma once

#include <string>

#include "bulk/journal.h"
#include "bulk/partial_result.h"
#include "bulk/resumed_source.h"
#include "bulk/source.h"
#include "bulk/stage_summary.h"
#include "commands/embed_job.h"
#include "engine/engine.h"

/// What `photovec embed` says about a run: to the next run, in NAME.meta.json, and on the terminal.
namespace photovec::commands {

/// Everything that decides what the result is, but for the photos themselves.
bulk::RunFacts FactsOf(const EmbedOptions& options, const engine::ModelSummary& model);
/// OK, or kInvalidRequest naming each fact that differs.
Status SameFacts(const bulk::RunFacts& before, const bulk::RunFacts& now);

/// \param text_rule the tokenizer's; of texts only.
/// \param milliseconds of work, over all runs.
std::string MetaJson(const EmbedOptions& options, const engine::ModelSummary& model,
                     const std::string& text_rule, const bulk::ResultDigests& digests,
                     const bulk::StageSummary& summary, const bulk::PassedOver& passed_over,
                     int64_t milliseconds);

/// \param session_seconds of this process's work, which embedded all but `earlier` images.
void PrintSummary(const EmbedOptions& options, const std::string& output, const bulk::StageSummary& summary,
                  const bulk::PassedOver& passed_over, int64_t earlier, double session_seconds);
void PrintResumed(const EmbedOptions& options, const bulk::ResumedSource::Counts& counts, int64_t lines);

}  // namespace photovec::commands
