// SPDX-License-Identifier: Apache-2.0
/// Loads libfmmp_tensorrt the way TensorRT's registry does and walks a plugin through its life: creator,
/// types, shapes, formats, configuration, serialisation, another plugin from the serialised fields, launch.
/// Without a GPU the launch must fail with a status and a message.
#include <NvInferRuntime.h>
#include <cuda_runtime_api.h>
#include <dlfcn.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <initializer_list>
#include <iterator>
#include <memory>
#include <string>
#include <vector>

using namespace nvinfer1;

namespace {

int failures = 0;

void expect(bool holds, char const* text, int line)
{
    if (!holds) {
        std::fprintf(stderr, "lifecycle.cpp:%d: not so: %s\n", line, text);
        ++failures;
    }
}
#define EXPECT(condition) expect(condition, #condition, __LINE__)

/// Keeps what the plugin logs.
class Log final : public ILogger, public ILoggerFinder {
public:
    void log(Severity severity, AsciiChar const* message) noexcept override
    {
        text += message;
        errors += severity == Severity::kERROR;
    }
    ILogger* findLogger() override { return this; }

    /// Whether the log so far holds `part`; empties it.
    bool said(char const* part)
    {
        bool const found = text.find(part) != std::string::npos;
        if (!found) {
            std::fprintf(stderr, "expected \"%s\" in the log, found \"%s\"\n", part, text.c_str());
        }
        text.clear();
        return found;
    }

    std::string text;
    int errors = 0;
};
Log logger;

/// A dimension as TensorRT describes it while it builds a network.
class Expression final : public IDimensionExpr {
    struct Value final : public apiv::VDimensionExpr {
        bool isConstant() const override { return value >= 0; }
        int64_t getConstantValue() const override { return value; }
        bool isSizeTensor() const override { return false; }
        int64_t value = 0;
    };

public:
    explicit Expression(int64_t value)
    {
        value_.value = value;
        mImpl = &value_;
    }

private:
    Value value_;
};

class Builder final : public IExprBuilder {};

struct Shapes {
    DimsExprs dims[5];
    std::vector<std::unique_ptr<Expression>> owned;

    Shapes(std::initializer_list<std::initializer_list<int64_t>> sizes)
    {
        int tensor = 0;
        for (auto const& shape : sizes) {
            dims[tensor].nbDims = 0;
            for (int64_t size : shape) {
                owned.push_back(std::make_unique<Expression>(size));
                dims[tensor].d[dims[tensor].nbDims++] = owned.back().get();
            }
            ++tensor;
        }
    }
};

Dims dims(std::initializer_list<int64_t> sizes)
{
    Dims result{};
    for (int64_t size : sizes) {
        result.d[result.nbDims++] = size;
    }
    return result;
}

/// The network's own call: value, spatial_shapes, level_start_index, locations, weights, output.
struct Call {
    PluginTensorDesc tensor[6] = {};

    explicit Call(int64_t batch, DataType value = DataType::kHALF, DataType location = DataType::kFLOAT)
    {
        Dims const shapes[6] = {dims({batch, 1344, 64, 32}),
                                dims({3, 2}),
                                dims({3}),
                                dims({batch, 70, 64, 3, 4, 2}),
                                dims({batch, 70, 64, 3, 4}),
                                dims({batch, 70, 64, 32})};
        DataType const types[6] = {value, DataType::kINT32, DataType::kINT32, location, location, value};
        for (int i = 0; i < 6; ++i) {
            tensor[i] = {shapes[i], types[i], TensorFormat::kLINEAR, 1.f};
        }
    }
};

struct Capabilities {
    explicit Capabilities(IPluginV3* plugin)
        : core(static_cast<IPluginV3OneCore*>(plugin->getCapabilityInterface(PluginCapabilityType::kCORE))),
          build(
              static_cast<IPluginV3OneBuild*>(plugin->getCapabilityInterface(PluginCapabilityType::kBUILD))),
          runtime(static_cast<IPluginV3OneRuntime*>(
              plugin->getCapabilityInterface(PluginCapabilityType::kRUNTIME)))
    {
    }
    IPluginV3OneCore* core;
    IPluginV3OneBuild* build;
    IPluginV3OneRuntime* runtime;
};

int32_t const kNetworkLevels[] = {32, 32, 16, 16, 8, 8};

IPluginV3* create(IPluginCreatorV3One& creator, int32_t const* levels, int32_t count)
{
    PluginField const field{"level_sizes", levels, PluginFieldType::kINT32, count};
    PluginFieldCollection const fields{1, &field};
    return creator.createPlugin("node", &fields, TensorRTPhase::kBUILD);
}

void check_creator(IPluginCreatorV3One& creator)
{
    EXPECT(std::strcmp(creator.getPluginName(), "MultiScaleDeformableAttention") == 0);
    EXPECT(std::strcmp(creator.getPluginVersion(), "1") == 0);
    EXPECT(std::strcmp(creator.getPluginNamespace(), "") == 0);
    EXPECT(creator.getFieldNames()->nbFields == 1);
    EXPECT(std::strcmp(creator.getFieldNames()->fields[0].name, "level_sizes") == 0);

    PluginField const unknown{"im2col_step", kNetworkLevels, PluginFieldType::kINT32, 1};
    PluginFieldCollection const fields{1, &unknown};
    EXPECT(creator.createPlugin("node", &fields, TensorRTPhase::kRUNTIME) == nullptr);
    EXPECT(logger.said("knows the field level_sizes only, got im2col_step"));
    EXPECT(create(creator, kNetworkLevels, 5) == nullptr);
    EXPECT(logger.said("level_sizes must be up to 16 int32 numbers, height and width of each level, got 5"));
    int32_t const no_height[] = {0, 32};
    EXPECT(create(creator, no_height, 2) == nullptr);
    EXPECT(logger.said("level_sizes must be at least 1 each, got 0"));
}

void check_types(IPluginV3OneBuild& build)
{
    constexpr DataType f = DataType::kFLOAT, h = DataType::kHALF, b = DataType::kBF16, i = DataType::kINT32;
    DataType output = DataType::kINT8;
    for (DataType value : {f, h, b}) {
        DataType const types[] = {value, i, i, f, f};
        EXPECT(build.getOutputDataTypes(&output, 1, types, 5) == 0 && output == value);
    }
    DataType const all_half[] = {h, i, i, h, h};
    EXPECT(build.getOutputDataTypes(&output, 1, all_half, 5) == 0 && output == h);

    struct Wrong {
        DataType types[5];
        char const* message;
    };
    for (Wrong const& wrong : {
             Wrong{{DataType::kINT8, i, i, f, f}, "value must be float32, float16 or bfloat16"},
             Wrong{{h, DataType::kINT64, i, f, f}, "spatial_shapes must be int32, got int64"},
             Wrong{{h, i, f, f, f}, "level_start_index must be int32, got float32"},
             Wrong{{f, i, i, h, h},
                   "sampling_locations must be float32 to go with a float32 value, got float16"},
             Wrong{{b, i, i, b, b},
                   "sampling_locations must be float32 to go with a bfloat16 value, got bfloat16"},
             Wrong{{h, i, i, f, h},
                   "attention_weights must be float32, as sampling_locations is, got float16"},
         }) {
        EXPECT(build.getOutputDataTypes(&output, 1, wrong.types, 5) != 0);
        EXPECT(logger.said(wrong.message));
    }
    EXPECT(build.getOutputDataTypes(&output, 1, all_half, 4) != 0);
    EXPECT(logger.said("needs 5 inputs"));
}

void check_output_shapes(IPluginV3OneBuild& build)
{
    Builder builder;
    DimsExprs output{};
    Shapes dynamic{{-1, 1344, 64, 32}, {3, 2}, {3}, {-1, 70, 64, 3, 4, 2}, {-1, 70, 64, 3, 4}};
    EXPECT(build.getOutputShapes(dynamic.dims, 5, nullptr, 0, &output, 1, builder) == 0);
    EXPECT(output.nbDims == 4 && output.d[0] == dynamic.dims[0].d[0] && output.d[1] == dynamic.dims[3].d[1] &&
           output.d[2] == dynamic.dims[3].d[2] && output.d[3] == dynamic.dims[0].d[3]);

    Shapes rank{{-1, 1344, 2048}, {3, 2}, {3}, {-1, 70, 64, 3, 4, 2}, {-1, 70, 64, 3, 4}};
    EXPECT(build.getOutputShapes(rank.dims, 5, nullptr, 0, &output, 1, builder) != 0);
    EXPECT(logger.said("value must be [batch, cells, heads, channels], got [1, 1344, 2048]"));
    Shapes heads{{1, 1344, 64, 32}, {3, 2}, {3}, {1, 70, 8, 3, 4, 2}, {1, 70, 8, 3, 4}};
    EXPECT(build.getOutputShapes(heads.dims, 5, nullptr, 0, &output, 1, builder) != 0);
    EXPECT(logger.said("sampling_locations must be [1, queries, 64, levels >= 1, points >= 1, 2]"));
    Shapes cells{{1, 1343, 64, 32}, {3, 2}, {3}, {1, 70, 64, 3, 4, 2}, {1, 70, 64, 3, 4}};
    EXPECT(build.getOutputShapes(cells.dims, 5, nullptr, 0, &output, 1, builder) != 0);
    EXPECT(logger.said("level_sizes: spatial_shapes must describe the 1343 cells of value, got 1344"));
}

void check_formats(IPluginV3OneBuild& build)
{
    DynamicPluginTensorDesc tensors[6] = {};
    Call const call(1);
    for (int i = 0; i < 6; ++i) {
        tensors[i].desc = call.tensor[i];
    }
    for (int i = 0; i < 6; ++i) {
        EXPECT(build.supportsFormatCombination(i, tensors, 5, 1));
    }
    tensors[5].desc.type = DataType::kFLOAT;
    EXPECT(!build.supportsFormatCombination(5, tensors, 5, 1));
    tensors[0].desc.format = TensorFormat::kCHW2;
    EXPECT(!build.supportsFormatCombination(0, tensors, 5, 1));
    EXPECT(!build.supportsFormatCombination(6, tensors, 5, 1));
}

void check_configuration(Capabilities const& plugin)
{
    DynamicPluginTensorDesc tensors[6] = {};
    Call const smallest(1), largest(8);
    for (int i = 0; i < 6; ++i) {
        bool const batched = i != 1 && i != 2;
        tensors[i] = {smallest.tensor[i], smallest.tensor[i].dims, largest.tensor[i].dims,
                      smallest.tensor[i].dims};
        tensors[i].desc.dims.d[0] = batched ? -1 : 3;
    }
    EXPECT(plugin.build->configurePlugin(tensors, 5, tensors + 5, 1) == 0);
    tensors[4].max.d[4] = 5;
    EXPECT(plugin.build->configurePlugin(tensors, 5, tensors + 5, 1) != 0);
    EXPECT(logger.said("attention_weights must be [8, 70, 64, 3, 4] to go with sampling_locations, got"));

    for (int64_t batch : {1, 8, 3}) {
        Call const call(batch);
        EXPECT(plugin.runtime->onShapeChange(call.tensor, 5, call.tensor + 5, 1) == 0);
    }
    Call four_levels(1);
    four_levels.tensor[1].dims = dims({4, 2});
    EXPECT(plugin.runtime->onShapeChange(four_levels.tensor, 5, four_levels.tensor + 5, 1) != 0);
    EXPECT(logger.said("spatial_shapes must be [3, 2], got [4, 2]"));
    Call other_output(1);
    other_output.tensor[5].dims = dims({1, 70, 2048});
    EXPECT(plugin.runtime->onShapeChange(other_output.tensor, 5, other_output.tensor + 5, 1) != 0);
    EXPECT(logger.said("output must be [1, 70, 64, 32], got [1, 70, 2048]"));
    Call mixed(1);
    mixed.tensor[4].type = DataType::kHALF;
    EXPECT(plugin.runtime->onShapeChange(mixed.tensor, 5, mixed.tensor + 5, 1) != 0);
    EXPECT(logger.said("attention_weights must be float32, as sampling_locations is, got float16"));
}

/// A plugin made from what `plugin` serialises; checks that nothing was lost.
std::unique_ptr<IPluginV3> recreate(IPluginCreatorV3One& creator, Capabilities const& plugin)
{
    PluginFieldCollection const* const fields = plugin.runtime->getFieldsToSerialize();
    std::unique_ptr<IPluginV3> second(creator.createPlugin("node", fields, TensorRTPhase::kRUNTIME));
    EXPECT(second != nullptr);
    if (second != nullptr) {
        Capabilities const copy(second.get());
        PluginFieldCollection const* const again = copy.runtime->getFieldsToSerialize();
        EXPECT(again->nbFields == 1 && again->fields[0].length == 6);
        EXPECT(std::memcmp(again->fields[0].data, kNetworkLevels, sizeof kNetworkLevels) == 0);
        EXPECT(std::strcmp(copy.build->getMetadataString(), "level_sizes 32 32 16 16 8 8") == 0);
    }
    return second;
}

/// The operator whose value all heads share: value [B, N, D] and a second output.
void check_shared(IPluginCreatorV3One& creator)
{
    EXPECT(std::strcmp(creator.getPluginName(), "SharedValueDeformableAttention") == 0);
    std::unique_ptr<IPluginV3> const owner(create(creator, kNetworkLevels, 6));
    EXPECT(owner != nullptr);
    Capabilities const plugin(owner.get());
    EXPECT(plugin.build->getNbOutputs() == 2);
    constexpr DataType h = DataType::kHALF, f = DataType::kFLOAT, i = DataType::kINT32;
    DataType const types[] = {h, i, i, f, f};
    DataType output_types[2] = {i, i};
    EXPECT(plugin.build->getOutputDataTypes(output_types, 2, types, 5) == 0);
    EXPECT(output_types[0] == h && output_types[1] == h);

    Builder builder;
    DimsExprs output[2] = {};
    Shapes const shapes{{-1, 1344, 256}, {3, 2}, {3}, {-1, 70, 64, 3, 4, 2}, {-1, 70, 64, 3, 4}};
    EXPECT(plugin.build->getOutputShapes(shapes.dims, 5, nullptr, 0, output, 2, builder) == 0);
    EXPECT(output[0].nbDims == 4 && output[0].d[3] == shapes.dims[0].d[2]);
    EXPECT(output[1].nbDims == 3 && output[1].d[2] == shapes.dims[3].d[2]);

    PluginTensorDesc tensors[7];
    Call const call(2);
    std::copy(std::begin(call.tensor), std::end(call.tensor), tensors);
    tensors[0].dims = dims({2, 1344, 256});
    tensors[5].dims = dims({2, 70, 64, 256});
    tensors[6] = {dims({2, 70, 64}), DataType::kHALF, TensorFormat::kLINEAR, 1.f};
    EXPECT(plugin.runtime->onShapeChange(tensors, 5, tensors + 5, 2) == 0);
    tensors[6].type = DataType::kFLOAT;
    EXPECT(plugin.runtime->onShapeChange(tensors, 5, tensors + 5, 2) != 0);
    EXPECT(logger.said("coverage must be float16, as value is, got float32"));
}

void check_enqueue(IPluginV3OneRuntime& runtime)
{
    alignas(16) static char memory[64] = {};
    void const* inputs[5] = {memory, memory, memory, memory, memory};
    void* outputs[1] = {memory};
    Call call(1);

    inputs[0] = memory + 1;
    EXPECT(runtime.enqueue(call.tensor, call.tensor + 5, inputs, outputs, nullptr, nullptr) != 0);
    EXPECT(logger.said("enqueue: the kernel was not launched: CUDA error 716"));
    inputs[0] = memory;
    call.tensor[4].dims.d[1] = 69;
    EXPECT(runtime.enqueue(call.tensor, call.tensor + 5, inputs, outputs, nullptr, nullptr) != 0);
    EXPECT(logger.said("enqueue: attention_weights must be [1, 70, 64, 3, 4]"));
    Call const nothing(0);
    EXPECT(runtime.enqueue(nothing.tensor, nothing.tensor + 5, inputs, outputs, nullptr, nullptr) == 0);

    int gpus = 0;
    if (cudaGetDeviceCount(&gpus) != cudaSuccess || gpus == 0) {
        Call const good(1);
        EXPECT(runtime.enqueue(good.tensor, good.tensor + 5, inputs, outputs, nullptr, nullptr) != 0);
        EXPECT(logger.said("enqueue: the kernel was not launched: CUDA error"));
    } else {
        std::puts("a GPU is present: the launch that must fail without one is left out");
    }
}

}  // namespace

int main(int argc, char** argv)
{
    void* const library = argc == 2 ? dlopen(argv[1], RTLD_NOW | RTLD_LOCAL) : nullptr;
    if (library == nullptr) {
        std::fprintf(stderr, "usage: %s libfmmp_tensorrt.so; %s\n", argv[0], argc == 2 ? dlerror() : "");
        return 2;
    }
    using GetCreators = IPluginCreatorInterface* const* (*)(int32_t&);
    using SetLoggerFinder = void (*)(ILoggerFinder*);
    auto const get_creators = reinterpret_cast<GetCreators>(dlsym(library, "getCreators"));
    auto const set_logger_finder = reinterpret_cast<SetLoggerFinder>(dlsym(library, "setLoggerFinder"));
    EXPECT(get_creators != nullptr && set_logger_finder != nullptr);
    set_logger_finder(&logger);
    int32_t count = 0;
    IPluginCreatorInterface* const* const creators = get_creators(count);
    EXPECT(count == 2);
    EXPECT(std::strcmp(creators[0]->getInterfaceInfo().kind, "PLUGIN CREATOR_V3ONE") == 0);
    auto& creator = static_cast<IPluginCreatorV3One&>(*creators[0]);
    check_creator(creator);
    check_shared(static_cast<IPluginCreatorV3One&>(*creators[1]));

    std::unique_ptr<IPluginV3> const plain(creator.createPlugin("node", nullptr, TensorRTPhase::kBUILD));
    EXPECT(plain != nullptr && Capabilities(plain.get()).runtime->getFieldsToSerialize()->nbFields == 0);
    std::unique_ptr<IPluginV3> const first(create(creator, kNetworkLevels, 6));
    EXPECT(first != nullptr);
    Capabilities const plugin(first.get());
    EXPECT(std::strcmp(plugin.core->getPluginName(), creator.getPluginName()) == 0);
    EXPECT(plugin.build->getNbOutputs() == 1);
    check_types(*plugin.build);
    check_output_shapes(*plugin.build);
    check_formats(*plugin.build);
    check_configuration(plugin);

    std::unique_ptr<IPluginV3> const second = recreate(creator, plugin);
    std::unique_ptr<IPluginV3> const copy(first->clone());
    std::unique_ptr<IPluginV3> const attached(Capabilities(second.get()).runtime->attachToContext(nullptr));
    EXPECT(copy != nullptr && attached != nullptr);
    Capabilities const running(attached.get());
    check_configuration(running);
    check_enqueue(*running.runtime);

    EXPECT(logger.errors > 0 && logger.text.empty());
    set_logger_finder(nullptr);
    std::printf("%s\n", failures == 0 ? "every step as promised" : "FAILED");
    return failures == 0 ? 0 : 1;
}
