// A plain round-robin proxy in Go: io.Copy in both directions, which splices. copy LISTEN TARGET…
package main

import (
	"io"
	"log"
	"net"
	"os"
	"sync/atomic"
)

func main() {
	listener, err := net.Listen("tcp", os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	targets := os.Args[2:]
	var next uint64
	for {
		client, err := listener.Accept()
		if err != nil {
			continue
		}
		address := targets[(atomic.AddUint64(&next, 1)-1)%uint64(len(targets))]
		go relay(client.(*net.TCPConn), address)
	}
}

func relay(client *net.TCPConn, address string) {
	defer client.Close()
	connected, err := net.Dial("tcp", address)
	if err != nil {
		return
	}
	target := connected.(*net.TCPConn)
	defer target.Close()
	done := make(chan struct{})
	go func() {
		io.Copy(target, client)
		target.CloseWrite()
		close(done)
	}()
	io.Copy(client, target)
	client.CloseWrite()
	<-done
}
