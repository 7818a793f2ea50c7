#cloud-config
% import textwrap
% if hostname:
<%
unit = textwrap.dedent('''\
    [Unit]
    Description={name}   # on {host}

      [Service]
    ExecStart=/usr/bin/{name} --flag="it's" \\
      --more
    if this; then
    that
    end
    ''').format(name='site', host=hostname)
one = 'a\
    b'
raw = r"""\
  x""" + b"""y\
  z""".decode()
late = 1\

motd = '''\
  Welcome to {0}
'''.format(hostname)
issue = '''\
  it's \\n
'''
whole = '''
  kept \\
    kept
'''
%>
% end
{{!unit}}|{{one}}|{{!raw}}|{{whole}}|{{motd}}{{!issue}}|
{{"""c\
  d"""}} {{ [count, # of them
 hostname] }}
