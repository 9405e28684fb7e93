# Perl's DBD::Pg as applications use it, step by step; see ../steps.ts for what each step prints.
use strict;
use warnings;
use DBD::Pg qw(:async);
use DBI;
use Digest::MD5 qw(md5_hex);
use JSON::PP;
use Time::HiRes qw(sleep);

$| = 1;
my $json = JSON::PP->new->canonical->utf8;
my $big = '0123456789abcdef' x 65536;

sub say_step { my ($step, $value) = @_; print $json->encode({ step => $step, value => $value }), "\n"; }

# libpq reads PGHOST and the rest from the environment.
sub open_connection {
    return DBI->connect('dbi:Pg:', undef, undef, { RaiseError => 1, PrintError => 0, AutoCommit => 1 });
}

sub digest { my ($data) = @_; return { bytes => length $data, md5 => md5_hex($data) }; }

# What DBI says has the program's line at its end, and the statement when asked: errstr is the server's part.
sub failure {
    my ($connection, $act) = @_;
    die "it did not fail\n" if eval { $act->(); 1 };
    return { code => $connection->state, message => $connection->errstr };
}

sub one { my ($connection, $sql, @values) = @_; return ($connection->selectrow_array($sql, undef, @values))[0]; }

sub error_in_transaction {
    my ($connection) = @_;
    $connection->begin_work;
    my $first = failure($connection, sub { $connection->do('SELECT 1/0') });
    my $second = failure($connection, sub { $connection->do('SELECT 1') });
    $connection->rollback;
    my $after = one($connection, 'SELECT 1');
    return { codes => [$first->{code}, $second->{code}], message => $first->{message}, after => $after };
}

sub copy {
    my ($connection) = @_;
    $connection->do('CREATE TEMP TABLE copied (id int, name text)');
    $connection->do('COPY copied FROM STDIN');
    $connection->pg_putcopydata("$_\trow $_\n") for 1 .. 1000;
    $connection->pg_putcopyend;
    my ($count, $total) = $connection->selectrow_array('SELECT count(*)::int, sum(id)::int FROM copied');
    say_step('copyIn', { rows => $count, sum => $total });
    $connection->do('COPY (SELECT * FROM copied ORDER BY id) TO STDOUT');
    my ($out, $row) = ('', '');
    $out .= $row while $connection->pg_getcopydata($row) >= 0;
    say_step('copyOut', digest($out));
}

sub large_object {
    my ($connection) = @_;
    $connection->begin_work;
    my $oid = $connection->pg_lo_creat($connection->{pg_INV_READ} | $connection->{pg_INV_WRITE});
    my $object = $connection->pg_lo_open($oid, $connection->{pg_INV_READ} | $connection->{pg_INV_WRITE});
    $connection->pg_lo_write($object, substr($big, 0, 100_000), 100_000);
    $connection->pg_lo_lseek($object, 0, 0);
    my $read = '';
    $connection->pg_lo_read($object, $read, 200_000);
    $connection->pg_lo_close($object);
    $connection->pg_lo_unlink($oid);
    $connection->commit;
    return digest($read);
}

sub notify {
    my ($connection) = @_;
    $connection->do('LISTEN news');
    my $other = open_connection();
    $other->do("NOTIFY news, 'paper'");
    $other->disconnect;
    my $heard;
    sleep 0.02 until $heard = $connection->pg_notifies;
    $connection->do('UNLISTEN news');
    return { channel => $heard->[0], payload => $heard->[2] };
}

sub cancel {
    my ($connection) = @_;
    my $pid = $connection->{pg_pid};
    $connection->do('SELECT pg_sleep(60)', { pg_async => PG_ASYNC });
    my $other = open_connection();
    my $sleeping = "SELECT count(*)::int FROM pg_stat_activity WHERE pid = ? AND wait_event = 'PgSleep'";
    sleep 0.02 until one($other, $sleeping, $pid);
    $other->disconnect;
    my $is_cancelled = $connection->pg_cancel;
    die "it was not cancelled\n" if !$is_cancelled;
    return { code => $connection->state, message => $connection->errstr };
}

sub steps {
    my $connection = open_connection();
    say_step('client', "DBD::Pg $DBD::Pg::VERSION, DBI $DBI::VERSION");
    my ($user, $database, $tls) = $connection->selectrow_array(
        'SELECT current_user, current_database(), ssl::int FROM pg_stat_ssl WHERE pid = pg_backend_pid()');
    my $is_tls = $tls ? JSON::PP::true : JSON::PP::false;
    say_step('connect', { user => $user, database => $database, tls => $is_tls });
    say_step('version', "$connection->{pg_server_version}");
    my $adding = $connection->prepare('SELECT ?::int + ?::int');
    my @sums;
    for my $pair ([1, 2], [3, 4]) { $adding->execute(@$pair); push @sums, $adding->fetchrow_array; }
    say_step('prepared', \@sums);
    say_step('error', error_in_transaction($connection));
    copy($connection);
    say_step('largeObject', large_object($connection));
    say_step('notify', notify($connection));
    say_step('cancel', cancel($connection));
    say_step('big', digest(one($connection, 'SELECT ?::text', $big)));
    $connection->disconnect;
}

sub standby {
    my $connection = open_connection();
    my $is_recovering = one($connection, 'SELECT pg_is_in_recovery()') ? JSON::PP::true : JSON::PP::false;
    my $error = failure($connection, sub { $connection->do('CREATE TABLE no_place_for_it ()') });
    say_step('standby', { recovering => $is_recovering, %$error });
    $connection->disconnect;
}

# `ping` is how DBI's own `connect_cached` and Apache::DBI decide whether to connect again.
sub write_for_ever {
    my ($prefix) = @_;
    my $insert = "INSERT INTO invoices (number, customer, amount_cents) VALUES (?, 'client', 100) RETURNING inet_server_port()";
    my $connection;
    for (my $number = 1;; $number++) {
        my $is_written = eval {
            $connection = open_connection() if !$connection || !$connection->ping;
            my $port = one($connection, $insert, "$prefix-$number");
            print $json->encode({ written => "$prefix-$number", port => $port }), "\n";
            1;
        };
        if (!$is_written) {
            my ($code, $text) = ($DBI::state, $DBI::errstr // $@);
            print $json->encode({ error => { code => $code, kind => 'DBI', text => $text } }), "\n";
        }
        sleep 0.05;
    }
}

my ($mode, @arguments) = @ARGV;
my %modes = (steps => \&steps, standby => \&standby, write => \&write_for_ever);
$modes{$mode}->(@arguments);
