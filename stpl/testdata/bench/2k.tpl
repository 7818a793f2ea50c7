#cloud-config
# {{hostname}} at {{location}}
hostname: {{hostname}}
fqdn: {{hostname}}.{{get('domain', 'localdomain')}}
manage_etc_hosts: true
timezone: Etc/UTC
disable_root: true
ssh_pwauth: {{'true' if defined('mdserver_password') else 'false'}}
% if defined('mdserver_password'):
password: {{!mdserver_password}}
chpasswd:
  expire: false
% end
users:
  - default
% for name, key in sorted(public_keys.items()):
  - name: {{name}}
    gecos: "{{name.capitalize()}} of {{hostname}}"
    groups: [adm, sudo, systemd-journal]
    shell: /bin/bash
    sudo: "ALL=(ALL) NOPASSWD:ALL"
    ssh_authorized_keys:
      - {{!key}}
% end
package_update: true
packages:
  - curl
  - ca-certificates
  - unattended-upgrades
% for role in [r.strip() for r in roles.split(',') if r.strip()]:
%   for package in packages.get(role, [role]):
  - {{package}}
%   end
% end
write_files:
  - path: /etc/motd
    permissions: '0644'
    content: |
      Welcome to {{hostname}}.
      This machine stands in {{location}} and serves: {{', '.join(sorted(roles.split(',')))}}.
  - path: /etc/sysctl.d/60-local.conf
    content: |
      vm.swappiness = 10
      net.ipv4.ip_forward = {{1 if 'router' in roles else 0}}
  - path: /etc/apt/apt.conf.d/90local
    content: |
      APT::Install-Recommends "false";
      Acquire::Retries "3";
ntp:
  enabled: true
  servers:
% for i in range(int(count)):
    - {{'%d.%s.pool.ntp.example.org' % (i, location)}}
% end
mounts:
% for n, disk in enumerate(disks):
  - [ {{disk}}, /srv/data{{n}}, ext4, "defaults,nofail", "0", "2" ]
% end
runcmd:
  - [ systemctl, daemon-reload ]
% if hostname.startswith('db'):
  - [ systemctl, enable, --now, postgresql ]
% elif hostname.startswith('web'):
  - [ systemctl, enable, --now, nginx ]
% else:
  - [ "true" ]
% end
  - [ sh, -c, "echo {{hostname}} > /var/lib/provisioned" ]
final_message: "{{hostname}} is up after $UPTIME seconds"
power_state:
  mode: reboot
  condition: {{'true' if get('reboot') else 'false'}}
