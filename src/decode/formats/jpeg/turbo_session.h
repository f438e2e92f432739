// SPDX-License-Identifier: MIT
#pragma once

#include <csetjmp>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <span>

#include "base/status.h"
#include "decode/formats/jpeg/damaged_rows.h"

// jpeglib.h needs FILE and size_t declared before it.
#include <jerror.h>
#include <jpeglib.h>

/// libjpeg-turbo's callbacks and calls. It reports errors by calling error_exit, which must not return: here
/// it longjmps to RunGuarded. Between the two lie only libjpeg's frames and the steps below, none of which
/// owns anything with a destructor.
namespace photovec::decode::jpeg {

inline constexpr int kRowsPerCall = 16;  // libjpeg returns at most one row group per call: 16 rows at 4:2:0

enum class Trouble { kNone, kTruncated, kCorrupt, kUnsupported, kLimit };

/// What libjpeg gets at a time when it is to look at every code. With less than 512 bytes it decodes Huffman
/// codes one by one and says which do not exist; with more it takes those for zeros without a word.
inline constexpr size_t kCarefulInput = 256;

/// All state of one decode. Plain data: steps may be left by longjmp at any point.
struct Session {
  jpeg_decompress_struct cinfo;
  jpeg_error_mgr errors;
  jpeg_source_mgr source;
  jpeg_progress_mgr progress;
  std::jmp_buf escape;
  Trouble trouble;
  char message[JMSG_LENGTH_MAX];
  int max_scans;
  bool in_header;
  bool rows_done;
  bool many_scans;
  const uint8_t* input_begin;
  const uint8_t* input_next;  ///< what libjpeg has not got yet
  const uint8_t* input_end;
  size_t input_step;  ///< bytes that libjpeg gets at a time
  bool input_ended;   ///< it asked for more than there is
  bool odd;           ///< bytes lay where none should, or worse: worth a careful look
  bool unplaced;      ///< damage that is not of certain rows
  bool truncated;     ///< of the first damage: the data was at its end
  bool leftover;      ///< in front of the restart marker that comes now
  int segment_row;    ///< of MCUs: where the last restart marker was
  DamagedRows damage;
  JDIMENSION first_column;  ///< of the output that libjpeg produces; moved left to a block border by CropStep
  JDIMENSION columns;
  uint8_t* pixels;     ///< where the first wanted pixel of row 0 goes
  size_t stride;       ///< bytes from one row of pixels to the next
  uint8_t* cmyk_rows;  ///< kRowsPerCall rows of 4 bytes a pixel; null for RGB output
};

/// Before the first step.
/// \param encoded    borrowed.
/// \param input_step bytes that libjpeg gets at a time.
void PrepareSession(Session* session, std::span<const uint8_t> encoded, size_t input_step, int max_scans);

/// Owns the session from creation on, so that libjpeg's memory is given back on every path.
class SessionOwner {
 public:
  SessionOwner(std::span<const uint8_t> encoded, size_t input_step, int max_scans) {
    PrepareSession(&session, encoded, input_step, max_scans);
  }
  ~SessionOwner() { jpeg_destroy_decompress(&session.cinfo); }
  SessionOwner(const SessionOwner&) = delete;
  SessionOwner& operator=(const SessionOwner&) = delete;
  Session session;
};

/// \return whether `step` came to its end; if not, the session says why.
bool RunGuarded(Session* session, void (*step)(Session*));

// The steps, in their order.
void CreateStep(Session* session);
void HeaderStep(Session* session);
void StartStep(Session* session);
void CropStep(Session* session);
void RowsStep(Session* session);
/// Looks at what follows the last row, which may be anything: nothing is missing. It is odd when the end
/// marker does not follow at once.
void FinishStep(Session* session);

/// Rows of MCUs.
int McuRows(const jpeg_decompress_struct& cinfo);
/// Why a step did not come to its end.
Status FailureStatus(const Session& session);

}  // namespace photovec::decode::jpeg
