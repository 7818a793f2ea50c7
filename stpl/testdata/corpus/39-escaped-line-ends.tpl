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

whole = '''
  kept \\
    kept
'''
%>
% end
{{!unit}}|{{one}}|{{!raw}}|{{whole}}|
{{"""c\
  d"""}} {{ [count, # of them
 hostname] }}
