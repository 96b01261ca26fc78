# Receives the relay's program, from whoever knows the secret, and writes it to the file `agent`. The handshake is that
# of handshake.rs. The writer of user data leaves out comments, and one space of indentation is enough.
import hashlib,hmac,os,re,socketserver as S,threading as T
e=os.environ
k=bytes.fromhex(re.search(r"secret=(\w+)",e["REHEARSAL_RELAY"])[1])
# Nobody comes: the same lease as the relay's.
t=T.Timer(int(e["LEASE"]),os._exit,[1])
t.start()
class R(S.StreamRequestHandler):
 # A pause in what is sent.
 timeout=30
 def handle(s):
  # All of the handshake together, however it trickles in.
  t=T.Timer(5,s.connection.shutdown,[2])
  t.start()
  n=os.urandom(32)
  s.wfile.write(b"RHU1"+n)
  m=s.rfile.read(64)
  t.cancel()
  p=lambda w:hmac.digest(k,w+n+m[:32],"sha256")
  if not hmac.compare_digest(m[32:],p(b"coordinator")):return
  s.wfile.write(p(b"relay"))
  l=int.from_bytes(s.rfile.read(4),"big")
  if l>int(e["LARGEST"]):return
  b=s.rfile.read(l)
  if hashlib.sha256(b).hexdigest()!=e["SHA256"]:return s.wfile.write(b"no")
  with open("agent","wb")as f:f.write(b)
  s.wfile.write(b"ok")
  os._exit(0)
class L(S.ThreadingTCPServer):
 allow_reuse_address=True
 request_queue_size=99
 address_family=10 if":"in e["HOST"]else 2
 # Two threads for each stranger.
 def verify_request(*a):return T.active_count()<99
 # Broken connections are no news.
 def handle_error(*a):0
L((e["HOST"],int(e["PORT"])),R).serve_forever()
