// SPDX-License-Identifier: MIT
#pragma once

#include <optional>
#include <span>
#include <string>

#include "decode/formats/heif/plan.h"

// The properties of one item, body by body; what they mean together is in plan.cc.
namespace photovec::decode {

/// Fills `node->stream` from node->config and node->data: what the stream says, and what the configuration
/// box says where no header can be read in the stream (which its decoder will then refuse).
/// \param name what messages call the file. Errors: kImageCorrupt for a cut box.
Status ReadHeifStream(const std::string& name, HeifNode* node);

/// The step that an `irot`, `imir` or `clap` box asks for; nothing for other boxes.
/// \param before the size that it is asked of. Errors: kImageCorrupt for a crop of nothing; the message is the
/// end of a sentence.
Result<std::optional<HeifStep>> ReadHeifStep(const HeifBox& box, const HeifSize& before);
/// The size after a step.
HeifSize HeifSizeAfter(const HeifStep& step, const HeifSize& before);

/// The code points of the body of a `colr` box of the kind 'nclx'.
std::optional<ColourCode> ReadNclx(std::span<const uint8_t> colr);

}  // namespace photovec::decode
