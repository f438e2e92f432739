// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <oneapi/dnnl/dnnl.hpp>
#include <string>
#include <vector>

/// Everything in which oneDNN 2.x (Debian 12) and 3.x (Debian 13) differ, and nothing else.
namespace photovec::encode::cpu {

/// A plan for dst = src * weights, or dst += where it accumulates, without bias, with scratch memory given by
/// the caller. Throws dnnl::error.
inline dnnl::matmul::primitive_desc MakeMatmul(const dnnl::engine& engine, const dnnl::memory::desc& src,
                                               const dnnl::memory::desc& weights,
                                               const dnnl::memory::desc& dst, bool accumulate) {
  dnnl::primitive_attr attr;
  attr.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  if (accumulate) {
    dnnl::post_ops sum;
    sum.append_sum(1.0F);
    attr.set_post_ops(sum);
  }
#if DNNL_VERSION_MAJOR >= 3
  return {engine, src, weights, dst, attr};
#else
  return {dnnl::matmul::desc(src, weights, dst), attr, engine};
#endif
}

/// The same product as a 1x1 convolution: src [1,K,1,M], weights [N,K,1,1], dst [1,N,1,M], channels last,
/// which in memory are the rows of src and dst as above. Throws dnnl::error.
inline dnnl::convolution_forward::primitive_desc MakePointwise(const dnnl::engine& engine,
                                                               const dnnl::memory::desc& src,
                                                               const dnnl::memory::desc& weights,
                                                               const dnnl::memory::desc& dst) {
  constexpr auto kKind = dnnl::prop_kind::forward_inference;
  constexpr auto kHow = dnnl::algorithm::convolution_direct;
  const dnnl::memory::dims stride = {1, 1};
  const dnnl::memory::dims padding = {0, 0};
  dnnl::primitive_attr attr;
  attr.set_scratchpad_mode(dnnl::scratchpad_mode::user);
#if DNNL_VERSION_MAJOR >= 3
  return {engine, kKind, kHow, src, weights, dst, stride, padding, padding, attr};
#else
  return {dnnl::convolution_forward::desc(kKind, kHow, src, weights, dst, stride, padding, padding), attr,
          engine};
#endif
}

/// How a weight matrix is blocked in memory. Its dimensions are K and N for a matrix product, N and K (and
/// two of size 1) for a convolution.
struct BlockedLayout {
  std::vector<int64_t> strides;  ///< elements from one block to the next, for each dimension
  std::vector<int64_t> blocks;   ///< sizes of the inner blocks, outermost first
  std::vector<int64_t> axes;     ///< which dimension each inner block cuts

  /// Columns that lie together: whole multiples of them can be cut out of the matrix by address.
  /// \param axis the dimension that is N.
  int64_t ColumnBlock(int axis) const {
    int64_t block = 1;
    for (size_t i = 0; i < blocks.size(); ++i) block *= axes[i] == axis ? blocks[i] : 1;
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
