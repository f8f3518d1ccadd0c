// SPDX-License-Identifier: Apache-2.0
#include "logging.h"

#include <atomic>
#include <cstdio>

namespace fmmp::tensorrt {
namespace {

std::atomic<nvinfer1::ILoggerFinder*> logger_finder{nullptr};

}  // namespace

void set_logger_finder(nvinfer1::ILoggerFinder* finder) noexcept
{
    logger_finder = finder;
}

void log_error(char const* operator_name, std::string const& message) noexcept
{
    try {
        std::string const text = std::string("fmmp::") + operator_name + ": " + message;
        nvinfer1::ILoggerFinder* const finder = logger_finder;
        nvinfer1::ILogger* const logger = finder != nullptr ? finder->findLogger() : nullptr;
        if (logger != nullptr) {
            logger->log(nvinfer1::ILogger::Severity::kERROR, text.c_str());
        } else {
            std::fprintf(stderr, "%s\n", text.c_str());
        }
    } catch (...) {  // no memory for the text: the caller still returns its failure
        std::fputs("fmmp: a plugin failed, and so did the message about it\n", stderr);
    }
}

}  // namespace fmmp::tensorrt
