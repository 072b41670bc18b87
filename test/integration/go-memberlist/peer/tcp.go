package main

import (
	"crypto/md5"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"sync"
	"time"

	"github.com/hashicorp/memberlist"
)

// The first byte of every connection says what it carries.
const (
	packetKind = 1 // one packet: length and text of the sender's address, the packet, its MD5; ends with the connection
	streamKind = 2 // a stream of memberlist from here on
)

const (
	writeWithin = 5 * time.Second
	readWithin  = 10 * time.Second
	packetMax   = 16 << 20
)

// tcpTransport is distcache-go's: packets travel over TCP as well, each in a connection of its own.
type tcpTransport struct {
	listener net.Listener
	logger   *log.Logger
	packets  chan *memberlist.Packet
	streams  chan net.Conn
	closed   chan struct{}
	once     sync.Once
	workers  sync.WaitGroup

	lock       sync.Mutex
	advertised string
}

func listenTCP(bind string, logger *log.Logger) (*tcpTransport, error) {
	listener, err := net.Listen("tcp", bind)
	if err != nil {
		return nil, err
	}
	t := &tcpTransport{
		listener:   listener,
		logger:     logger,
		packets:    make(chan *memberlist.Packet),
		streams:    make(chan net.Conn),
		closed:     make(chan struct{}),
		advertised: listener.Addr().String(),
	}
	t.workers.Add(1)
	go t.accept()
	return t, nil
}

func (t *tcpTransport) FinalAdvertiseAddr(ip string, port int) (net.IP, int, error) {
	bound := t.listener.Addr().(*net.TCPAddr)
	address, portNumber := bound.IP, bound.Port
	if ip != "" {
		if address = net.ParseIP(ip); address == nil {
			return nil, 0, fmt.Errorf("%q is no IP address", ip)
		}
		portNumber = port
	}
	if short := address.To4(); short != nil {
		address = short
	}
	t.lock.Lock()
	defer t.lock.Unlock()
	t.advertised = (&net.TCPAddr{IP: address, Port: portNumber}).String()
	return address, portNumber, nil
}

func (t *tcpTransport) sender() string {
	t.lock.Lock()
	defer t.lock.Unlock()
	return t.advertised
}

// WriteTo never fails, as distcache-go's doesn't: a packet may always be lost.
func (t *tcpTransport) WriteTo(packet []byte, to string) (time.Time, error) {
	if err := t.writePacket(packet, to); err != nil {
		t.logger.Printf("[DEBUG] tcp: packet to %s: %v", to, err)
	}
	return time.Now(), nil
}

func (t *tcpTransport) writePacket(packet []byte, to string) error {
	conn, err := net.DialTimeout("tcp", to, writeWithin)
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(writeWithin)); err != nil {
		return err
	}
	from, sum := t.sender(), md5.Sum(packet)
	frame := append([]byte{packetKind, byte(len(from))}, from...)
	frame = append(append(frame, packet...), sum[:]...)
	_, err = conn.Write(frame)
	return err
}

func (t *tcpTransport) DialTimeout(to string, within time.Duration) (net.Conn, error) {
	conn, err := net.DialTimeout("tcp", to, within)
	if err != nil {
		return nil, err
	}
	if _, err := conn.Write([]byte{streamKind}); err != nil {
		conn.Close()
		return nil, err
	}
	return conn, nil
}

func (t *tcpTransport) PacketCh() <-chan *memberlist.Packet { return t.packets }
func (t *tcpTransport) StreamCh() <-chan net.Conn           { return t.streams }

func (t *tcpTransport) Shutdown() error {
	t.once.Do(func() {
		close(t.closed)
		t.listener.Close()
	})
	t.workers.Wait()
	return nil
}

func (t *tcpTransport) accept() {
	defer t.workers.Done()
	for {
		conn, err := t.listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			t.logger.Printf("[WARN] tcp: accept: %v", err)
			continue
		}
		go t.receive(conn)
	}
}

func (t *tcpTransport) receive(conn net.Conn) {
	kind := make([]byte, 1)
	_ = conn.SetDeadline(time.Now().Add(readWithin))
	if _, err := io.ReadFull(conn, kind); err != nil {
		conn.Close()
		return
	}
	switch kind[0] {
	case streamKind:
		_ = conn.SetDeadline(time.Time{})
		select {
		case t.streams <- conn:
		case <-t.closed:
			conn.Close()
		}
	case packetKind:
		defer conn.Close()
		if err := t.receivePacket(conn); err != nil {
			t.logger.Printf("[WARN] tcp: packet of %s: %v", conn.RemoteAddr(), err)
		}
	default:
		t.logger.Printf("[WARN] tcp: %s opens with byte %d", conn.RemoteAddr(), kind[0])
		conn.Close()
	}
}

func (t *tcpTransport) receivePacket(conn net.Conn) error {
	length := make([]byte, 1)
	if _, err := io.ReadFull(conn, length); err != nil {
		return err
	}
	from := make([]byte, length[0])
	if _, err := io.ReadFull(conn, from); err != nil {
		return err
	}
	body, err := io.ReadAll(io.LimitReader(conn, packetMax))
	if err != nil {
		return err
	}
	at := time.Now()
	if len(body) < md5.Size {
		return errors.New("it ends before its checksum")
	}
	packet, want := body[:len(body)-md5.Size], body[len(body)-md5.Size:]
	if sum := md5.Sum(packet); string(sum[:]) != string(want) {
		t.logger.Printf("[WARN] tcp: packet of %s: its checksum does not fit", from)
	}
	select {
	case t.packets <- &memberlist.Packet{Buf: packet, From: address(from), Timestamp: at}:
	case <-t.closed:
	}
	return nil
}

// address is where a packet says that it comes from.
type address string

func (a address) Network() string { return "tcp" }
func (a address) String() string  { return string(a) }
