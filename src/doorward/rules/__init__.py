"""Pure decisions: values in, values out.

Owns every judgement the product makes: who may pass, what must be proven, which return address is safe, what a
token, a name, a password must look like. No clock, chance, disk, network, log or await; `now` and `entropy`
are arguments. Only an allow-list of libraries may be imported here, held by a test.
"""
