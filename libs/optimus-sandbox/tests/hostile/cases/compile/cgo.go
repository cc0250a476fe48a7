package main

// #cgo LDFLAGS: -Wl,--dynamic-linker=/box/evil -Wl,@/etc/shadow
// #cgo CFLAGS: -fplugin=/box/evil.so -include /etc/shadow
// #include <stdlib.h>
import "C"

func attack() {
	C.system(C.CString("id"))
}
