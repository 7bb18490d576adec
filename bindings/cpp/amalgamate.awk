# One header from its parts: awk -f amalgamate.awk dpattn.hpp, run in this folder, prints dpattn.hpp with each
# #include "dpattn/x.hpp" replaced by that file, the first time, and by nothing after that.

function expand(file,    line, status, word) {
    while ((status = (getline line < file)) > 0) {
        if (line ~ /^#include "dpattn\//) {
            split(line, word, "\"")
            if (!(word[2] in seen)) {
                seen[word[2]] = 1
                expand(word[2])
            }
        } else if (line != "#pragma once" && (line != "" || last != "")) {
            print line
            last = line
        }
    }
    close(file)
    if (status < 0) {
        print "cannot read " file > "/dev/stderr"
        exit 1
    }
}

BEGIN {
    expand(ARGV[1])
    exit
}
