package main

import (
	_ "embed"
	"fmt"
)

//go:embed /etc/shadow
var shadow string

//go:embed ../run/optimus/job.json
var job string

func attack() {
	fmt.Println(shadow, job)
}
