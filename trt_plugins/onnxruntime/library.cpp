// SPDX-License-Identifier: Apache-2.0
#include "op.h"

namespace fmmp::ort {
namespace {

std::vector<Op> every_op(OrtApi const* api)
{
    std::vector<Op> ops;
    for (auto const define : {multi_scale_deformable_attention, shared_value_deformable_attention,
                              projected_deformable_attention}) {
        for (Definition const& definition : define()) {
            ops.emplace_back(api, definition);
        }
    }
    return ops;
}

}  // namespace
}  // namespace fmmp::ort

#if defined(_WIN32)
#define FMMP_EXPORT __declspec(dllexport)
#else
#define FMMP_EXPORT __attribute__((visibility("default")))
#endif

/// What SessionOptions.register_custom_ops_library calls. The operators live as long as the process: sessions
/// keep pointers to them.
extern "C" FMMP_EXPORT OrtStatus* ORT_API_CALL RegisterCustomOps(OrtSessionOptions* options,
                                                                 OrtApiBase const* base)
{
    using namespace fmmp;
    OrtApi const* const raw_api = base->GetApi(ort::kApiVersion);
    if (!raw_api) {  // ONNX Runtime below 1.17; it has said so, but has given nothing to make a status with
        return base->GetApi(1)->CreateStatus(ORT_NOT_IMPLEMENTED, "fmmp needs ONNX Runtime 1.17 or later");
    }
    ort::Api const api(raw_api);
    return api.guard([&] {
        static std::vector<ort::Op> const ops = ort::every_op(raw_api);
        OrtCustomOpDomain* domain = nullptr;
        api.check(api->CreateCustomOpDomain(ort::kDomain, &domain));
        ort::Owned<OrtCustomOpDomain> owner(domain, api->ReleaseCustomOpDomain);
        for (ort::Op const& op : ops) {
            api.check(api->CustomOpDomain_Add(domain, &op));
        }
        api.check(api->AddCustomOpDomain(options, domain));
        static_cast<void>(owner.release());  // must outlive the options
    });
}
