// SPDX-License-Identifier: MIT
// libheif asks libde265 for one helper thread per image, and offers no way to say no. A worker may not start
// threads, and a libde265 whose thread failed to start waits for it forever. This program's own function of
// that name stands before the library's in the order in which symbols are looked up (it is exported for that,
// see CMakeLists.txt), so the decoder keeps to the thread that calls it. The other decoders need no such
// help: libaom starts none by itself, and dav1d counts CPUs, see policy.cc.

/// In libde265: de265_error de265_start_worker_threads(de265_decoder_context*, int). 0 is DE265_OK.
extern "C" __attribute__((visibility("default"))) int de265_start_worker_threads(void* /*context*/,
                                                                                 int /*threads*/);
extern "C" int de265_start_worker_threads(void* /*context*/, int /*threads*/) { return 0; }
