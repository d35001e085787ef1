"""Names under which strangers can have names of their own: a cookie for such a domain would be theirs, too.

A small list of what home users and companies meet; it is no copy of the Public Suffix List, and browsers have the last
word. What is missing here shows itself in the browser as a cookie that is not kept; the login-loop page explains that.
"""

from typing import Final

_COUNTRIES: Final = (
    "ac.at ac.jp ac.nz ac.uk ac.za co.at co.id co.il co.in co.jp co.ke co.kr co.nz co.th co.uk co.za com.ar com.au "
    "com.bd com.br com.cn com.co com.eg com.hk com.mx com.my com.ng com.pe com.ph com.pk com.pl com.pt com.sa com.sg "
    "com.tr com.tw com.ua com.vn edu.au edu.cn edu.pl firm.in gen.in go.jp gob.mx gov.au gov.br gov.cn gov.in gov.uk "
    "gv.at id.au in.th ind.in k12.tr ltd.uk me.uk ne.jp net.au net.br net.cn net.in net.nz net.pl net.tr net.uk net.za "
    "nhs.uk nom.br or.at or.jp or.kr or.th org.au org.br org.cn org.in org.mx org.nz org.pl org.tr org.uk org.za "
    "plc.uk police.uk sch.uk web.za waw.pl"
)
_PROVIDERS: Final = (
    "0e.vc 3utilities.com accesscam.org afraid.org amazonaws.com appspot.com asuscomm.com azurewebsites.net "
    "blogspot.com bounceme.net casacam.net changeip.org chickenkiller.com cloudapp.net cloudfront.net clickip.de "
    "crabdance.com ddns.net ddnsfree.com ddnsgeek.com ddnss.de diskstation.me dnsalias.com dnsdojo.net dnshome.de "
    "dnsup.net dscloud.biz dscloud.me dsmynas.com duckdns.org dyn-ip24.de dynalias.com dyndns.info dyndns.org dynu.net "
    "dynv6.net familyds.com firebaseapp.com firewall-gateway.de fly.dev freeddns.org giize.com github.dev github.io "
    "gitlab.io gleeze.com goip.de gotdns.ch herokuapp.com homeftp.net homeip.net homelinux.com homelinux.org "
    "home-webserver.de hopto.org i234.me ignorelist.com jumpingcrab.com kozow.com loca.lt loseyourip.com lhr.life "
    "mooo.com my-router.de my-wan.de myds.me myfirewall.org myfritz.net mynetgear.com mypi.co myqnapcloud.com "
    "myvnc.com netlify.app ngrok-free.app ngrok.app ngrok.dev ngrok.io nip.io no-ip.biz no-ip.info no-ip.org "
    "nsupdate.info onrender.com ooguy.com pages.dev quickconnect.to redirectme.net repl.co selfhost.bz selfhost.de "
    "selfhost.eu servebeer.com serveblog.net servegame.com servehttp.com serveminecraft.net spdns.de spdns.org "
    "sslip.io strangled.net surge.sh synology.me sytes.net theworkpc.com thruhere.net traefik.me trycloudflare.com "
    "ts.net twilightparadox.com us.to vercel.app viewdns.net webhop.me webredirect.org workers.dev xip.io "
    "zapto.org home.arpa"
)
_SHARED: Final = frozenset((_COUNTRIES + " " + _PROVIDERS).split())


def is_shared_suffix(domain: str) -> bool:
    """Whether strangers can have names directly under this domain, as far as this list knows."""
    return "." not in domain or domain in _SHARED
