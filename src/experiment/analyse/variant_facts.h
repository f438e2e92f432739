// SPDX-License-Identifier: MIT
#pragma once

#include "experiment/analyse/analysis.h"

namespace photovec::experiment {

/// Counts, shares, spread and mean critical path of one variant.
/// \param cpus of the machine; 0: not known.
VariantFacts CollectFacts(const Variant& variant, double cpus);

}  // namespace photovec::experiment
