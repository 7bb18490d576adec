module dpattn

go 1.26

require (
	github.com/klauspost/cpuid/v2 v2.4.2
	go.etcd.io/bbolt v1.5.0
	gonum.org/v1/gonum v0.17.0
)

require golang.org/x/sys v0.45.0 // indirect
