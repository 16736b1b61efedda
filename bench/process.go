package main

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"time"
)

// clockTick is the unit of the times in /proc/PID/stat.
// Source: proc(5); Linux answers sysconf(_SC_CLK_TCK) with 100 on every architecture that Go runs on.
const clockTick = 10 * time.Millisecond

// cpuTime returns the processor time, user and system, that process pid has used so far, all its
// threads together. Its grain is 10 ms.
func cpuTime(pid int) (time.Duration, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, fmt.Errorf("reading the processor time of process %d: %w", pid, err)
	}
	used, err := parseStat(stat)
	if err != nil {
		return 0, fmt.Errorf("reading the processor time of process %d: %w", pid, err)
	}
	return used, nil
}

// parseStat returns utime + stime, fields 14 and 15 of /proc/PID/stat (proc(5)). The second field
// is the program's name in parentheses and may hold spaces and parentheses itself: what counts
// starts behind the last one.
func parseStat(stat []byte) (time.Duration, error) {
	end := bytes.LastIndexByte(stat, ')')
	if end < 0 {
		return 0, fmt.Errorf("%q is not the form of /proc/PID/stat", stat)
	}
	fields := bytes.Fields(stat[end+1:]) // from field 3, the state, on
	if len(fields) < 13 {
		return 0, fmt.Errorf("/proc/PID/stat has %d fields behind the name, at least 13 are needed", len(fields))
	}
	var ticks int64
	for _, field := range fields[11:13] {
		n, err := strconv.ParseInt(string(field), 10, 64)
		if err != nil {
			return 0, fmt.Errorf("parsing /proc/PID/stat: %w", err)
		}
		ticks += n
	}
	return time.Duration(ticks) * clockTick, nil
}

// memory is what a process holds in RAM, in bytes.
type memory struct {
	Resident int64 `json:"resident_bytes"` // VmRSS: now
	Peak     int64 `json:"peak_bytes"`     // VmHWM: the most since its start, as the kernel kept it
}

// memoryOf returns what process pid holds in RAM.
func memoryOf(pid int) (memory, error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return memory{}, fmt.Errorf("reading the memory of process %d: %w", pid, err)
	}
	m, err := parseStatus(status)
	if err != nil {
		return memory{}, fmt.Errorf("reading the memory of process %d: %w", pid, err)
	}
	return m, nil
}

// parseStatus reads VmRSS and VmHWM, in kB, from /proc/PID/status (proc(5)).
func parseStatus(status []byte) (memory, error) {
	var m memory
	for _, want := range []struct {
		name string
		to   *int64
	}{{"VmRSS:", &m.Resident}, {"VmHWM:", &m.Peak}} {
		_, rest, found := bytes.Cut(status, []byte("\n"+want.name))
		if !found {
			return memory{}, fmt.Errorf("/proc/PID/status has no %s the process has ended", want.name)
		}
		line, _, _ := bytes.Cut(rest, []byte("\n"))
		digits := bytes.TrimSpace(bytes.TrimSuffix(bytes.TrimSpace(line), []byte("kB")))
		kB, err := strconv.ParseInt(string(digits), 10, 64)
		if err != nil {
			return memory{}, fmt.Errorf("parsing %s in /proc/PID/status: %w", want.name, err)
		}
		*want.to = kB * 1024
	}
	return m, nil
}
