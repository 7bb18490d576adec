package memory

import (
	"bufio"
	"os"
	"strconv"
	"strings"
)

// Available returns how many bytes a new allocation may take: what the kernel calls available, or
// less where a control group sets a limit.
func Available() uint64 {
	available := uint64(1) << 46
	if f, err := os.Open("/proc/meminfo"); err == nil {
		defer f.Close()
		for lines := bufio.NewScanner(f); lines.Scan(); {
			if fields := strings.Fields(lines.Text()); len(fields) >= 2 && fields[0] == "MemAvailable:" {
				if kib, err := strconv.ParseUint(fields[1], 10, 53); err == nil {
					available = kib << 10
				}
			}
		}
	}
	// What the group uses now counts reclaimable caches, so only its limit says something.
	if most, ok := readNumber("/sys/fs/cgroup/memory.max"); ok {
		available = min(available, most)
	}
	return available
}

// readNumber reads a file that holds one decimal number; "max" is none.
func readNumber(path string) (uint64, bool) {
	text, err := os.ReadFile(path)
	if err != nil {
		return 0, false
	}
	n, err := strconv.ParseUint(strings.TrimSpace(string(text)), 10, 64)
	return n, err == nil
}
