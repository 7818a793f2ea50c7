package api

// ErrorCode is the kind of an error, for programs.
type ErrorCode string

// The kinds of errors of a server.
const (
	CodeNotFound       ErrorCode = "not_found"
	CodeNoPassword     ErrorCode = "no_password"
	CodeNoBoot         ErrorCode = "no_boot"
	CodeNoHostCA       ErrorCode = "no_host_ca"
	CodeAmbiguous      ErrorCode = "ambiguous"
	CodeInvalid        ErrorCode = "invalid"
	CodeTooLarge       ErrorCode = "too_large"
	CodeNoInterface    ErrorCode = "no_interface"
	CodeAddressOutside ErrorCode = "address_outside"
	CodeAddressTaken   ErrorCode = "address_taken"
	CodeNameTaken      ErrorCode = "name_taken"
	CodeUUIDTaken      ErrorCode = "uuid_taken"
	CodeMACInUse       ErrorCode = "mac_in_use"
	CodeHostnameTaken  ErrorCode = "hostname_taken"
	CodeTooManyGuests  ErrorCode = "too_many_guests"
	CodeUserdata       ErrorCode = "user_data_failed"
	CodeConfiguration  ErrorCode = "configuration"
	CodeForbidden      ErrorCode = "forbidden"
	CodeHostInUse      ErrorCode = "host_in_use"
	CodeBusy           ErrorCode = "busy"
	CodeDatabase       ErrorCode = "database"
	CodeStopping       ErrorCode = "stopping"
	CodeInternal       ErrorCode = "internal"
)

// The kinds of errors of a command.
const (
	CodeFailed           ErrorCode = "failed"
	CodeUsage            ErrorCode = "usage"
	CodeNotRunning       ErrorCode = "not_running"
	CodeUnreachable      ErrorCode = "unreachable"
	CodeNoFile           ErrorCode = "no_such_file"
	CodePermissionDenied ErrorCode = "permission_denied"
	CodeDeclined         ErrorCode = "declined"
)

// ErrorCodes are all kinds of errors with their meaning.
var ErrorCodes = []struct {
	Code    ErrorCode
	Meaning string
}{
	{CodeFailed, "any other error"},
	{CodeUsage, "the command line is wrong"},
	{CodeConfiguration, "the configuration cannot be read, or is invalid"},
	{CodeNoFile, "a file does not exist"},
	{CodePermissionDenied, "a file may not be used"},
	{CodeDeclined, "the question was not answered with yes"},
	{CodeNotRunning, "no server listens on the control socket"},
	{CodeUnreachable, "the control socket does not answer, or may not be used"},
	{CodeNotFound, "there is no such guest, network, host or configuration key"},
	{CodeAmbiguous, "several guests have this name, address or host name"},
	{CodeNoPassword, "the guest has posted no password"},
	{CodeNoBoot, "the boot, or what the guest got in it, is not on record"},
	{CodeNoHostCA, "the server signs no host certificates"},
	{CodeInvalid, "a domain definition, an import or an argument is invalid"},
	{CodeTooLarge, "a domain definition is too large"},
	{CodeNoInterface, "the domain has no interface on a served network"},
	{CodeAddressOutside, "the requested address is not one that the network gives"},
	{CodeAddressTaken, "the requested address belongs to another guest"},
	{CodeNameTaken, "another guest has this name"},
	{CodeUUIDTaken, "another guest has this UUID"},
	{CodeMACInUse, "another guest has this MAC address"},
	{CodeHostnameTaken, "another guest has this host name"},
	{CodeTooManyGuests, "max_guests is reached"},
	{CodeUserdata, "the guest's template fails"},
	{CodeHostInUse, "the host is alive, is the one that was asked, or shares its inventory with no other"},
	{CodeForbidden, "only root may do this"},
	{CodeBusy, "the server has too much to do; try again"},
	{CodeDatabase, "the database cannot be written"},
	{CodeStopping, "the server is stopping"},
	{CodeInternal, "an internal error of the server"},
}
