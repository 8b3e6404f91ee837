module meshcheck.invalid/lab/coredns

go 1.26

require github.com/coredns/coredns v1.12.1

