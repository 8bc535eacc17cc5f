#pragma once
// SPDX-License-Identifier: BSL-1.0
//
// reach: who is meant when a child is stopped.
//
//     command build("make", "-j8");
//     build.new_process_group();             // stop() ends make and all the compilers that it has started
//     build.reach(reach::descendants);       // also those that have left the group

namespace coproc {

/// How far `stop`, `interrupt`, `terminate`, `kill` and destruction go. Whatever goes further than the process also
/// takes in the child's own group, if it has one. Never our own group, nor this process.
enum class reach : unsigned char {
    process, ///< the child alone; what it has started lives on
    /// Everybody in the process group that the child leads: what it starts, unless that takes a group of its own. Also
    /// after the child itself has ended: on Linux from 6.9 on by a name that is never a stranger's. Elsewhere the group
    /// has a name only until the child is reaped; so when it ends in the course of a stop or after its destruction, the
    /// others are killed at that moment, and once it has been reaped otherwise they are left alone.
    group,
    /// All that the child has started, what those have, and so on, in whatever group and session. Those whose parent
    /// had ended before they were looked for are nobody's descendants, so give the child a group as well. Linux.
    descendants,
    /// Everybody in the control group of `command::cgroup` and below: nobody gets out of that by himself. Linux.
    cgroup,
};

} // namespace coproc
