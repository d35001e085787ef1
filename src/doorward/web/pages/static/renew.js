// Signs in again when a session has ended, and repeats the request: docs/guides/expiry.md. Served without comments and spaces.
(() => {
  const doc = document, me = doc.currentScript, own = new URL(me.src).origin, send = fetch
  const words = (me.dataset.words || "Your sign-in has ended.|Sign in|Later").split("|")
  const kinds = ["readystatechange", "load", "loadend"]
  let waiting
  // Where to sign in, if this is an answer of ours: nothing but our own origin is ever opened.
  const login = (status, header) => {
    const text = status == 401 && header("x-doorward-login")
    return text && text.startsWith(own + "/login?") &&
      text.replace(/rd=[^&]*/, "rd=" + encodeURIComponent(own + "/confirmed?close"))
  }
  // One notice for all requests that wait. Pop-ups need a click; when the page has the focus again, we look.
  const renew = (url, at) => waiting ||= new Promise(done => {
    const box = doc.createElement("div")
    let timer
    const end = ok => { clearInterval(timer); box.remove(); waiting = 0; done(ok) }
    const look = () => doc.hasFocus() && send(at, {method: "HEAD"}).then(
      r => box.isConnected && !login(r.status, n => r.headers.get(n)) && end(1), () => 0)
    const button = (text, act) => {
      const b = doc.createElement("button")
      b.textContent = text
      b.onclick = act
      box.append(" ", b)
    }
    box.role = "alert"
    box.popover = "manual"
    box.style = "margin:auto auto 1em;padding:1em"
    doc.body.append(box)
    box.showPopover()
    box.append(words[0])
    button(words[1], () => {
      open(url, "", "popup,width=480,height=720")
      timer ||= setInterval(look, 1500)
    })
    button(words[2], () => end())
  })
  window.fetch = async (input, init) => {
    const spare = input.clone?.() || input
    const r = await send(input, init)
    const url = login(r.status, n => r.headers.get(n))
    return url && !init?.body?.getReader && await renew(url, r.url) ? send(spare, init) : r
  }
  // Hidden from the page until it is known what comes of it; then the same object is sent again.
  window.XMLHttpRequest = class extends XMLHttpRequest {
    constructor() {
      super()
      let calls, held
      for (const name of ["open", "setRequestHeader", "send"]) this[name] = (...given) => {
        if (name == "open") calls = given[2] == false ? 0 : [], held = 0
        calls && calls.push([name, given])
        super[name](...given)
      }
      for (const kind of kinds) this.addEventListener(kind, async event => {
        const url = calls && this.readyState == 4 && login(this.status, n => this.getResponseHeader(n))
        if (!url) return
        event.stopImmediatePropagation()
        if (held) return
        held = calls
        const ok = await renew(url, this.responseURL)
        calls = 0
        if (ok) for (const [name, given] of held) super[name](...given)
        else for (const kind of kinds) this.dispatchEvent(new ProgressEvent(kind))
      })
    }
  }
})()
