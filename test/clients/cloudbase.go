package clients

import (
	"slices"
	"strings"
)

var pythonRequests = []string{
	"User-Agent: python-requests/2.32.5", "Accept-Encoding: gzip, deflate", "Accept: */*", "Connection: keep-alive",
}

// cloudbase is what Windows images boot with. Each path is asked for once.
var cloudbase = []Client{
	{
		Name: "cloudbase-init", Version: "1.1.8", As: "EC2 clone", Tokens: Never,
		Reads:   "host name, instance-id, public keys, user-data",
		Source:  "cloudbaseinit/metadata/services/ec2service.py, base.py; cloudbaseinit/init.py",
		Headers: pythonRequests,
		Ask: func(g Guest) []Request {
			const dir = "/2009-04-04/meta-data/"
			return slices.Concat([]Request{
				get(dir+"local-hostname", value(g.Name)),
				get(dir+"instance-id", value(g.ID)),
			}, keys(g, dir+"public-keys"), []Request{get("/2009-04-04/user-data", bytes(g.Userdata))})
		},
	},
	{
		Name: "cloudbase-init", Version: "1.1.8", As: "OpenStack", Tokens: Unused,
		Reads: "instance-id, host name, public keys, static addresses, user-data; posts the administrator's password, " +
			"encrypted with the first key",
		Source: "cloudbaseinit/metadata/services/httpservice.py, baseopenstackservice.py, base.py; " +
			"cloudbaseinit/plugins/common/networkconfig.py, setuserpassword.py",
		Headers: pythonRequests,
		Ask: func(g Guest) []Request {
			const password = "/openstack/2013-04-04/password"
			list := []Request{
				get("/openstack/latest/meta_data.json", novaMetadata(g)),
				get("/openstack/latest/network_data.json", novaNetwork(g)),
				get("/openstack/latest/user_data", bytes(g.Userdata)),
				get("/openstack/2013-04-04/meta_data.json", novaMetadata(g)),
				get(password, value("")), // it has set none yet
			}
			if len(g.Keys) == 0 {
				return list
			}
			encrypted := strings.Repeat("QUJD", 86) // as long as RSA makes it with 2048 bits
			return append(list,
				post(password, encrypted, value("")),
				get(password, value(encrypted)), // if it runs again: it leaves that one
			)
		},
	},
}
