// Command peer is one member of a memberlist cluster, told what to do over stdin and telling what happens over stdout:
// one JSON object a line, either way. It ends when its stdin does, so that no test leaves one behind.
//
// In:  {"id":1,"do":"join","addresses":["127.0.0.1:7946"]}
// Out: {"ready":{...}} once, then {"answer":1,"result":...} or {"answer":1,"error":"..."} for each command, and at any
// time {"event":"joined","member":{...}}, {"event":"user","bytes":"<hex>"} and {"log":"..."}.
package main

import (
	"bufio"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/memberlist"
)

type command struct {
	ID        int      `json:"id"`
	Do        string   `json:"do"`
	Addresses []string `json:"addresses"`
	To        string   `json:"to"`
	Bytes     string   `json:"bytes"`
	Text      string   `json:"text"`
	Reliable  bool     `json:"reliable"`
	WithinMs  int      `json:"withinMs"`
}

type member struct {
	Name string `json:"name"`
	Addr string `json:"addr"`
	Port uint16 `json:"port"`
	Meta string `json:"meta"`
	Vsn  [6]int `json:"vsn"`
}

// told writes one line; lines of several goroutines never mix.
type told struct {
	lock sync.Mutex
	out  *json.Encoder
}

func (t *told) tell(line map[string]any) {
	t.lock.Lock()
	defer t.lock.Unlock()
	_ = t.out.Encode(line)
}

// Write takes what memberlist logs, a line at a time.
func (t *told) Write(text []byte) (int, error) {
	t.tell(map[string]any{"log": strings.TrimRight(string(text), "\n")})
	return len(text), nil
}

// delegate is what memberlist asks of an application.
type delegate struct {
	told       *told
	lock       sync.Mutex
	meta       []byte
	stateBytes int
	queue      *memberlist.TransmitLimitedQueue
}

func (d *delegate) setMeta(meta []byte) {
	d.lock.Lock()
	defer d.lock.Unlock()
	d.meta = meta
}

func (d *delegate) NodeMeta(limit int) []byte {
	d.lock.Lock()
	defer d.lock.Unlock()
	return d.meta[:min(limit, len(d.meta))]
}

func (d *delegate) NotifyMsg(payload []byte) {
	d.told.tell(map[string]any{"event": "user", "bytes": hex.EncodeToString(payload)})
}

func (d *delegate) GetBroadcasts(overhead, limit int) [][]byte {
	return d.queue.GetBroadcasts(overhead, limit)
}

func (d *delegate) LocalState(bool) []byte {
	state := make([]byte, d.stateBytes)
	for i := range state {
		state[i] = byte(i * i >> 3)
	}
	return state
}

func (d *delegate) MergeRemoteState(state []byte, join bool) {
	d.told.tell(map[string]any{"event": "state", "length": len(state), "join": join})
}

func (d *delegate) NotifyJoin(node *memberlist.Node)   { d.happened("joined", node) }
func (d *delegate) NotifyLeave(node *memberlist.Node)  { d.happened("gone", node) }
func (d *delegate) NotifyUpdate(node *memberlist.Node) { d.happened("updated", node) }

func (d *delegate) NotifyConflict(known, _ *memberlist.Node) { d.happened("conflict", known) }

func (d *delegate) happened(event string, node *memberlist.Node) {
	d.told.tell(map[string]any{"event": event, "member": memberOf(node)})
}

// broadcast is news of the application that replaces none before it.
type broadcast []byte

func (b broadcast) Invalidates(memberlist.Broadcast) bool { return false }
func (b broadcast) Message() []byte                       { return b }
func (b broadcast) Finished()                             {}

func memberOf(node *memberlist.Node) member {
	vsn := [6]int{
		int(node.PMin), int(node.PMax), int(node.PCur), int(node.DMin), int(node.DMax), int(node.DCur),
	}
	return member{Name: node.Name, Addr: node.Addr.String(), Port: node.Port, Meta: string(node.Meta), Vsn: vsn}
}

type options struct {
	name, bind, label, keys, profile, versions, meta, transport    string
	compress                                                       bool
	stateBytes                                                     int
	probeInterval, probeTimeout, pushPullInterval, gossipToTheDead time.Duration
}

func flags() options {
	var o options
	flag.StringVar(&o.name, "name", "go", "name of the member")
	flag.StringVar(&o.bind, "bind", "127.0.0.1:0", "address and port to listen on")
	flag.StringVar(&o.label, "label", "", "label of the cluster")
	flag.StringVar(&o.keys, "keys", "", "keys in hex, separated by commas, the first to encrypt with")
	flag.StringVar(&o.profile, "profile", "local", "lan, local or wan")
	flag.BoolVar(&o.compress, "compress", true, "compress what is sent")
	flag.StringVar(&o.versions, "versions", "0,0,0", "lowest, highest and current version of the application")
	flag.StringVar(&o.meta, "meta", "", "metadata, as text")
	flag.StringVar(&o.transport, "transport", "net", "net (UDP and TCP) or tcp (packets over TCP as well)")
	flag.IntVar(&o.stateBytes, "state-bytes", 0, "length of the application's state in an exchange")
	flag.DurationVar(&o.probeInterval, "probe-interval", 0, "instead of the profile's")
	flag.DurationVar(&o.probeTimeout, "probe-timeout", 0, "instead of the profile's")
	flag.DurationVar(&o.pushPullInterval, "push-pull-interval", 0, "instead of the profile's")
	flag.DurationVar(&o.gossipToTheDead, "gossip-to-the-dead", 0, "instead of the profile's")
	flag.Parse()
	return o
}

func profileOf(name string) (*memberlist.Config, error) {
	switch name {
	case "lan":
		return memberlist.DefaultLANConfig(), nil
	case "local":
		return memberlist.DefaultLocalConfig(), nil
	case "wan":
		return memberlist.DefaultWANConfig(), nil
	}
	return nil, fmt.Errorf("profile %q is none of lan, local, wan", name)
}

func replace(setting *time.Duration, by time.Duration) {
	if by > 0 {
		*setting = by
	}
}

func configOf(o options, out *told) (*memberlist.Config, *delegate, error) {
	config, err := profileOf(o.profile)
	if err != nil {
		return nil, nil, err
	}
	host, portText, err := net.SplitHostPort(o.bind)
	if err != nil {
		return nil, nil, err
	}
	port, err := strconv.Atoi(portText)
	if err != nil {
		return nil, nil, err
	}
	config.Name, config.Label, config.EnableCompression = o.name, o.label, o.compress
	config.BindAddr, config.BindPort, config.AdvertisePort = host, port, port
	config.Logger = log.New(out, "", 0)
	replace(&config.ProbeInterval, o.probeInterval)
	replace(&config.ProbeTimeout, o.probeTimeout)
	replace(&config.PushPullInterval, o.pushPullInterval)
	replace(&config.GossipToTheDeadTime, o.gossipToTheDead)
	low, high, current := &config.DelegateProtocolMin, &config.DelegateProtocolMax, &config.DelegateProtocolVersion
	if _, err := fmt.Sscanf(o.versions, "%d,%d,%d", low, high, current); err != nil {
		return nil, nil, fmt.Errorf("versions %q: %w", o.versions, err)
	}
	if o.keys != "" {
		if config.Keyring, err = keyringOf(strings.Split(o.keys, ",")); err != nil {
			return nil, nil, err
		}
	}
	if o.transport == "tcp" {
		transport, err := listenTCP(o.bind, config.Logger)
		if err != nil {
			return nil, nil, err
		}
		config.Transport = transport
		// As distcache-go sets them: packets of any size, and no ping over a stream beside one over a stream.
		config.UDPBufferSize = 10 << 20
		config.DisableTcpPings = true
	}
	d := &delegate{told: out, meta: []byte(o.meta), stateBytes: o.stateBytes}
	config.Delegate, config.Events, config.Conflict = d, d, d
	return config, d, nil
}

func keyringOf(texts []string) (*memberlist.Keyring, error) {
	var keys [][]byte
	for _, text := range texts {
		key, err := hex.DecodeString(text)
		if err != nil {
			return nil, err
		}
		keys = append(keys, key)
	}
	return memberlist.NewKeyring(keys, keys[0])
}

type peer struct {
	list     *memberlist.Memberlist
	config   *memberlist.Config
	delegate *delegate
}

func (p *peer) run(c command) (any, error) {
	within := time.Duration(c.WithinMs) * time.Millisecond
	switch c.Do {
	case "join":
		return p.list.Join(c.Addresses)
	case "leave":
		return nil, p.list.Leave(within)
	case "members":
		members := []member{}
		for _, node := range p.list.Members() {
			members = append(members, memberOf(node))
		}
		return members, nil
	case "meta":
		p.delegate.setMeta([]byte(c.Text))
		return nil, p.list.UpdateNode(within)
	case "ping":
		to, err := p.member(c.To)
		if err != nil {
			return nil, err
		}
		// The time it gives is below zero where the answer is quicker than the call that sends.
		_, err = p.list.Ping(c.To, &net.UDPAddr{IP: to.Addr, Port: int(to.Port)})
		return nil, err
	case "send":
		return nil, p.send(c)
	case "addKey", "useKey", "removeKey":
		return nil, p.changeKeys(c)
	}
	return nil, fmt.Errorf("no such command: %q", c.Do)
}

func (p *peer) member(name string) (*memberlist.Node, error) {
	for _, node := range p.list.Members() {
		if node.Name == name {
			return node, nil
		}
	}
	return nil, fmt.Errorf("no member %q", name)
}

// send hands bytes to one member, or to all by gossip when none is named.
func (p *peer) send(c command) error {
	payload, err := hex.DecodeString(c.Bytes)
	if err != nil {
		return err
	}
	if c.To == "" {
		p.delegate.queue.QueueBroadcast(broadcast(payload))
		return nil
	}
	to, err := p.member(c.To)
	if err != nil {
		return err
	}
	if c.Reliable {
		return p.list.SendReliable(to, payload)
	}
	return p.list.SendBestEffort(to, payload)
}

func (p *peer) changeKeys(c command) error {
	key, err := hex.DecodeString(c.Bytes)
	if err != nil {
		return err
	}
	ring := p.config.Keyring
	switch {
	case ring == nil:
		return errors.New("this member was started without keys")
	case c.Do == "addKey":
		return ring.AddKey(key)
	case c.Do == "useKey":
		return ring.UseKey(key)
	}
	return ring.RemoveKey(key)
}

// serve answers each command in a goroutine of its own: a slow leave must not hold up a look at the members.
func (p *peer) serve(in io.Reader, out *told) {
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, 64<<20)
	for lines.Scan() {
		var c command
		if err := json.Unmarshal(lines.Bytes(), &c); err != nil {
			out.tell(map[string]any{"log": "unreadable command: " + err.Error()})
			continue
		}
		if c.Do == "shutdown" {
			return
		}
		go func() {
			if result, err := p.run(c); err != nil {
				out.tell(map[string]any{"answer": c.ID, "error": err.Error()})
			} else {
				out.tell(map[string]any{"answer": c.ID, "result": result})
			}
		}()
	}
}

func start() error {
	out := &told{out: json.NewEncoder(os.Stdout)}
	config, delegate, err := configOf(flags(), out)
	if err != nil {
		return err
	}
	// Asked only once the list exists, but the list may ask for broadcasts before `Create` returns.
	var list *memberlist.Memberlist
	var lock sync.RWMutex
	count := func() int {
		lock.RLock()
		defer lock.RUnlock()
		if list == nil {
			return 1
		}
		return list.NumMembers()
	}
	delegate.queue = &memberlist.TransmitLimitedQueue{NumNodes: count, RetransmitMult: config.RetransmitMult}
	created, err := memberlist.Create(config)
	if err != nil {
		return err
	}
	lock.Lock()
	list = created
	lock.Unlock()
	out.tell(map[string]any{"ready": memberOf(created.LocalNode())})
	p := &peer{list: created, config: config, delegate: delegate}
	p.serve(os.Stdin, out)
	return created.Shutdown()
}

func main() {
	if err := start(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
