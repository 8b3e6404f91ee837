module meshcheck.invalid/lab/metallb

go 1.26

require go.universe.tf/metallb v0.15.2

