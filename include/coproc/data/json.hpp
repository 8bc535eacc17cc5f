#pragma once
// SPDX-License-Identifier: BSL-1.0
//
// json: a value of JSON (RFC 8259), from text and to it. Not in <coproc.hpp>: not everybody reads it.
//
//     const json disks = json::parse(text);                        // decode_error: what is wrong, and where
//     for (const json& disk : disks.at("blockdevices").as_array())
//         disk.get<std::uint64_t>("size");                         // json_error: what it is instead
//     json j = json::object({{"name", "x"}, {"ports", json::array({80, 443})}});
//     j["ports"].push_back(8080);
//     j.dump();                                                    // {"name":"x","ports":[80,443,8080]}

#include "json_parser.hpp"
#include "json_value.hpp"
#include "json_writer.hpp"
