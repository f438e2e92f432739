// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <vector>

#include "testing/test_images.h"

/// Camera raw files made by hand: the structure of the real ones with a sensor's noise and real JPEGs in it.
namespace photovec::test {

/// How a file refers to its preview.
enum class RawPlace {
  kStrip,        ///< the strip of the first directory, as in a CR2, a ProRAW
  kSubIfd,       ///< JPEGInterchangeFormat of a SubIFD, as in a NEF
  kSubIfdStrip,  ///< the strip of a SubIFD, as in a DNG
  kFirst,        ///< JPEGInterchangeFormat of the first directory, as in an ARW
  kChained,      ///< that of the next directory, as in a PEF
  kJpgFromRaw,   ///< Panasonic's tag, as in a RW2
  kUnnamed,      ///< in no directory that is read, as in an ORF, whose maker note names it
};

struct RawOptions {
  RawPlace place = RawPlace::kSubIfd;
  bool little_endian = true;
  uint16_t magic = 42;
  bool cr2 = false;
  bool dng = false;
  int orientation = 0;  ///< of the file; 0: none
  int sensor_width = 6000;
  int sensor_height = 4000;
  Encoded thumbnail;                    ///< of a chained directory; none when empty
  uint32_t sensor_photometric = 32803;  ///< CFA; 34892: LinearRaw
  Encoded sensor;                       ///< what lies where the sensor's numbers are; noise when empty
};
Encoded MakeRaw(const Encoded& preview, const RawOptions& options = {});
/// Fujifilm's: the head points at the preview.
Encoded MakeRaf(const Encoded& preview);
/// Canon's of boxes: an orientation in CMT1, a thumbnail, the preview in mdat.
Encoded MakeCr3(const Encoded& preview, int orientation, const Encoded& thumbnail);

}  // namespace photovec::test
