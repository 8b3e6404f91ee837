module meshcheck.invalid/lab/kiali

go 1.26

require github.com/kiali/kiali v1.89.0

replace gopkg.in/yaml.v3 => gopkg.in/yaml.v3 v3.0.1
