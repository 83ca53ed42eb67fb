// An MQTT 3.1.1 and 5 broker for the tests, from the Go module mochi-mqtt: a second opinion beside
// Mosquitto. Usage: mochi_broker HOST:PORT. It keeps sessions in memory and lets everybody in.
package main

import (
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	mqtt "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/hooks/auth"
	"github.com/mochi-mqtt/server/v2/listeners"
)

func must(err error) {
	if err != nil {
		slog.Error("mochi_broker", "error", err)
		os.Exit(1)
	}
}

func main() {
	if len(os.Args) != 2 {
		slog.Error("usage: mochi_broker HOST:PORT")
		os.Exit(2)
	}
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGINT, syscall.SIGTERM)

	server := mqtt.New(nil)
	must(server.AddHook(new(auth.AllowHook), nil))
	must(server.AddListener(listeners.NewTCP(listeners.Config{ID: "tcp", Address: os.Args[1]})))
	must(server.Serve())
	<-stop
	must(server.Close())
}
