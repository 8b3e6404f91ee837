module meshcheck.invalid/lab/http-echo

go 1.26

require github.com/hashicorp/http-echo v1.0.0

