package main

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
)

var data = bytes.Repeat([]byte("copied "), 40000)

const folder = "/tmp/copies"

// io.Copy finds out by itself which calls fit: copy_file_range, sendfile, splice.
func attack() {
	os.Mkdir(folder, 0o700)
	os.WriteFile(folder+"/source", data, 0o600)
	through := ""
	same := func(way string, got []byte, err error) {
		if err != nil || !bytes.Equal(got, data) {
			through += fmt.Sprintf("%s: %d bytes, %v\n", way, len(got), err)
		}
	}
	source := func() *os.File {
		file, _ := os.Open(folder + "/source")
		return file
	}

	target, _ := os.Create(folder + "/target")
	_, err := io.Copy(target, source())
	target.Close()
	got, _ := os.ReadFile(folder + "/target")
	same("file to file", got, err)

	received := func(network, address string, send func(net.Conn) error) ([]byte, error) {
		listener, err := net.Listen(network, address)
		if err != nil {
			return nil, err
		}
		defer listener.Close()
		sent := make(chan error, 1)
		go func() {
			connection, err := net.Dial(network, listener.Addr().String())
			if err == nil {
				err = send(connection)
				connection.Close()
			}
			sent <- err
		}()
		connection, err := listener.Accept()
		if err != nil {
			return nil, err
		}
		got, err := io.ReadAll(connection)
		if failed := <-sent; failed != nil {
			err = failed
		}
		return got, err
	}
	for network, address := range map[string]string{"tcp": "127.0.0.1:0", "unix": folder + "/socket"} {
		got, err = received(network, address, func(to net.Conn) error {
			_, err := io.Copy(to, source())
			return err
		})
		same("file to "+network, got, err)
		os.Remove(folder + "/socket")
		// A proxy: from a socket to a socket.
		got, err = received(network, address, func(to net.Conn) error {
			other := "127.0.0.1:0"
			if network == "unix" {
				other = folder + "/other"
			}
			from, err := net.Listen(network, other)
			if err != nil {
				return err
			}
			go func() {
				connection, _ := net.Dial(network, from.Addr().String())
				connection.Write(data)
				connection.Close()
			}()
			connection, err := from.Accept()
			if err == nil {
				_, err = io.Copy(to, connection)
			}
			from.Close()
			return err
		})
		same(network+" to "+network, got, err)
		os.Remove(folder + "/socket")
	}

	reader, writer, _ := os.Pipe()
	go func() {
		io.Copy(writer, source())
		writer.Close()
	}()
	got, err = io.ReadAll(reader)
	same("file to pipe", got, err)

	// From a pipe to a file.
	reader, writer, _ = os.Pipe()
	go func() {
		writer.Write(data)
		writer.Close()
	}()
	target, _ = os.Create(folder + "/target")
	_, err = io.Copy(target, reader)
	target.Close()
	got, _ = os.ReadFile(folder + "/target")
	same("pipe to file", got, err)

	child := exec.Command("cat")
	child.Stdin = bytes.NewReader(data)
	got, err = child.Output()
	same("child", got, err)
	if through == "" {
		through = "withstood\n"
	}
	fmt.Print(through)
}
