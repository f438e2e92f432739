// SPDX-License-Identifier: MIT
#include <cstdio>
#include <cstdlib>

#include <jpeglib.h>

#include <vector>

#include "testing/test_images.h"
#include "testing/test_images_internal.h"

namespace photovec::test {
namespace {

/// DC, then every AC coefficient alone with its last bit held back, then all those bits: 1 + 63 + 63 scans.
std::vector<jpeg_scan_info> ManyScans() {
  std::vector<jpeg_scan_info> scans;
  jpeg_scan_info scan{};
  scan.comps_in_scan = 1;
  scans.push_back(scan);
  for (int pass = 0; pass < 2; ++pass) {
    for (int k = 1; k < 64; ++k) {
      scan.Ss = scan.Se = k;
      scan.Ah = pass;
      scan.Al = 1 - pass;
      scans.push_back(scan);
    }
  }
  return scans;
}

std::vector<jpeg_scan_info> OneScanPerComponent(int components) {
  std::vector<jpeg_scan_info> scans;
  for (int c = 0; c < components; ++c) {
    jpeg_scan_info scan{};
    scan.comps_in_scan = 1;
    scan.component_index[0] = c;
    scan.Se = 63;
    scans.push_back(scan);
  }
  return scans;
}

J_COLOR_SPACE InputSpace(int channels) {
  return channels == 1 ? JCS_GRAYSCALE : channels == 3 ? JCS_RGB : JCS_CMYK;
}

}  // namespace

Encoded EncodeJpeg(const Raster& raster, const JpegOptions& options) {
  jpeg_compress_struct cinfo{};
  jpeg_error_mgr errors{};
  cinfo.err = jpeg_std_error(&errors);
  jpeg_create_compress(&cinfo);
  unsigned char* buffer = nullptr;
  unsigned long size = 0;
  jpeg_mem_dest(&cinfo, &buffer, &size);
  cinfo.image_width = static_cast<JDIMENSION>(raster.width);
  cinfo.image_height = static_cast<JDIMENSION>(raster.height);
  cinfo.input_components = raster.channels;
  cinfo.in_color_space = InputSpace(raster.channels);
  jpeg_set_defaults(&cinfo);
  if (options.ycck) jpeg_set_colorspace(&cinfo, JCS_YCCK);
  jpeg_set_quality(&cinfo, options.quality, TRUE);
  const bool subsampled = raster.channels == 3 || options.ycck;
  cinfo.comp_info[0].h_samp_factor = subsampled ? options.h_samp : 1;
  cinfo.comp_info[0].v_samp_factor = subsampled ? options.v_samp : 1;
  if (options.ycck) {
    cinfo.comp_info[3].h_samp_factor = options.h_samp;
    cinfo.comp_info[3].v_samp_factor = options.v_samp;
  }
  cinfo.arith_code = options.arithmetic ? TRUE : FALSE;
  cinfo.restart_in_rows = options.restart_rows;
  cinfo.restart_interval = static_cast<unsigned>(options.restart_mcus);
  cinfo.optimize_coding = options.optimized ? TRUE : FALSE;
  std::vector<jpeg_scan_info> scans;
  if (options.progressive) jpeg_simple_progression(&cinfo);
  if (options.many_scans) scans = ManyScans();
  if (options.sequential_multi_scan) scans = OneScanPerComponent(raster.channels);
  if (!scans.empty()) {
    cinfo.scan_info = scans.data();
    cinfo.num_scans = static_cast<int>(scans.size());
  }
  jpeg_start_compress(&cinfo, TRUE);
  const size_t stride = static_cast<size_t>(raster.width) * static_cast<size_t>(raster.channels);
  while (cinfo.next_scanline < cinfo.image_height) {
    auto* row = const_cast<JSAMPROW>(raster.samples.data() + cinfo.next_scanline * stride);
    Require(jpeg_write_scanlines(&cinfo, &row, 1) == 1, "jpeg row");
  }
  jpeg_finish_compress(&cinfo);
  Encoded encoded(buffer, buffer + size);
  jpeg_destroy_compress(&cinfo);
  std::free(buffer);
  return encoded;
}

}  // namespace photovec::test
