#pragma once
// SPDX-License-Identifier: BSL-1.0
//
// coproc: child processes for C++20 coroutines. This list is the map of the house, from the ground floor up; a header
// may use those above it.

#include "coproc/core/block_pool.hpp"
#include "coproc/core/concat.hpp"
#include "coproc/core/error.hpp"
#include "coproc/core/exit_status.hpp"
#include "coproc/core/intrusive_list.hpp"
#include "coproc/core/line_buffer.hpp"
#include "coproc/core/resource_usage.hpp"
#include "coproc/core/scope_guard.hpp"
#include "coproc/core/unique_fd.hpp"

#include "coproc/platform/platform.hpp"

#include "coproc/coro/async_generator.hpp"
#include "coproc/coro/awaitable.hpp"
#include "coproc/coro/task.hpp"
#include "coproc/coro/when_all.hpp"
#include "coproc/coro/when_any.hpp"

#include "coproc/loop/event_loop.hpp"
#include "coproc/loop/run.hpp"
#include "coproc/loop/sleep.hpp"
#include "coproc/loop/task_group.hpp"
#include "coproc/loop/timers.hpp"
#include "coproc/loop/with_stop.hpp"
#include "coproc/loop/with_timeout.hpp"

#include "coproc/io/capture.hpp"
#include "coproc/io/expect.hpp"
#include "coproc/io/line_stream.hpp"
#include "coproc/io/pump.hpp"
#include "coproc/io/stream_reader.hpp"
#include "coproc/io/stream_writer.hpp"

#include "coproc/data/decode_error.hpp"
#include "coproc/data/decoder.hpp"
#include "coproc/data/text.hpp"

#include "coproc/process/async_process.hpp"
#include "coproc/process/command.hpp"
#include "coproc/process/decoded.hpp"
#include "coproc/process/destroy.hpp"
#include "coproc/process/dry_run.hpp"
#include "coproc/process/judgement.hpp"
#include "coproc/process/observer.hpp"
#include "coproc/process/process_error.hpp"
#include "coproc/process/reach.hpp"
#include "coproc/process/result.hpp"
#include "coproc/process/secret.hpp"
#include "coproc/process/shell.hpp"
#include "coproc/process/start.hpp"
#include "coproc/process/stdio.hpp"
#include "coproc/process/stop_sequence.hpp"
#include "coproc/process/streams.hpp"
#include "coproc/process/terminal.hpp"
#include "coproc/process/with_process.hpp"

#include "coproc/jobs/events.hpp"
#include "coproc/jobs/execute.hpp"
#include "coproc/jobs/progress.hpp"
#include "coproc/jobs/lines.hpp"
#include "coproc/jobs/pipeline.hpp"
#include "coproc/jobs/pipeline_result.hpp"
#include "coproc/jobs/run_pipeline.hpp"
