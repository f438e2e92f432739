// SPDX-License-Identifier: MIT
#pragma once

#include <oneapi/dnnl/dnnl.hpp>
#include <string>
#include <vector>

/// Everything in which oneDNN 2.x (Debian 12) and 3.x (Debian 13) differ, and nothing else.
namespace photovec::encode::cpu {

/// A plan for dst = src * weights, without bias or post-ops, with scratch memory given by the caller.
/// Throws dnnl::error.
inline dnnl::matmul::primitive_desc MakeMatmul(const dnnl::engine& engine, const dnnl::memory::desc& src,
                                               const dnnl::memory::desc& weights,
                                               const dnnl::memory::desc& dst) {
  dnnl::primitive_attr attr;
  attr.set_scratchpad_mode(dnnl::scratchpad_mode::user);
#if DNNL_VERSION_MAJOR >= 3
  return {engine, src, weights, dst, attr};
#else
  return {dnnl::matmul::desc(src, weights, dst), attr, engine};
#endif
}

/// How a [K, N] weight matrix is blocked in memory.
struct BlockedLayout {
  std::vector<int64_t> strides;  ///< elements from one block to the next, for K and N
  std::vector<int64_t> blocks;   ///< sizes of the inner blocks, outermost first
  std::vector<int64_t> axes;     ///< which dimension each inner block cuts: 0 is K, 1 is N

  /// Columns that lie together: whole multiples of them can be cut out of the matrix by address.
  int64_t ColumnBlock() const {
    int64_t block = 1;
    for (size_t i = 0; i < blocks.size(); ++i) block *= axes[i] == 1 ? blocks[i] : 1;
    return block;
  }
  bool operator==(const BlockedLayout&) const = default;
};

inline BlockedLayout LayoutOf(const dnnl::memory::desc& desc) {
#if DNNL_VERSION_MAJOR >= 3
  const auto strides = desc.get_strides();
  const auto blocks = desc.get_inner_blks();
  const auto axes = desc.get_inner_idxs();
  return {{strides.begin(), strides.end()}, {blocks.begin(), blocks.end()}, {axes.begin(), axes.end()}};
#else
  const auto& blocking = desc.data.format_desc.blocking;
  return {{blocking.strides, blocking.strides + desc.data.ndims},
          {blocking.inner_blks, blocking.inner_blks + blocking.inner_nblks},
          {blocking.inner_idxs, blocking.inner_idxs + blocking.inner_nblks}};
#endif
}

inline std::string OneDnnVersion() {
  const dnnl_version_t* version = dnnl_version();
  return std::to_string(version->major) + "." + std::to_string(version->minor) + "." +
         std::to_string(version->patch);
}

}  // namespace photovec::encode::cpu
